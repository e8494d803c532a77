package io.gpunode.agent.deviceplugin;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Writes down what it hears. */
final class RecordedTroubles implements AllocationTroubles {
    private final List<String> heard = new CopyOnWriteArrayList<>();

    /** Everything so far, a line each. */
    List<String> heard() {
        return heard;
    }

    @Override
    public void refused(String resource, String why) {
        heard.add("refused " + resource + ": " + why);
    }

    @Override
    public void unserved(String resource, String why) {
        heard.add("unserved " + resource + ": " + why);
    }

    @Override
    public void served(String resource) {
        heard.add("served " + resource);
    }

    @Override
    public void leftOut(List<String> devices, String why) {
        heard.add("left out " + devices + ": " + why);
    }
}
