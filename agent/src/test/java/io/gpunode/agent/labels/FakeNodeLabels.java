package io.gpunode.agent.labels;

import io.gpunode.agent.config.NodeLabels;
import java.util.HashMap;
import java.util.Map;

/** A Node object that is not read until the test sets a label of it. */
final class FakeNodeLabels implements NodeLabels {
    private final Map<String, String> labels = new HashMap<>();
    private boolean read;

    /** Somebody has set a label, and the object has been read since. */
    FakeNodeLabels set(String name, String value) {
        labels.put(name, value);
        return read();
    }

    /** The object has been read. */
    FakeNodeLabels read() {
        read = true;
        return this;
    }

    @Override
    public Answer label(String name) {
        String value = labels.get(name);
        if (!read) {
            return new Answer.Unknown("it has not been read");
        }
        return value == null ? new Answer.NotSet() : new Answer.Value(value);
    }

    @Override
    public boolean pending() {
        return !read;
    }

    @Override
    public void onChange(Runnable changed) {
        // Tests turn the publisher themselves.
    }
}
