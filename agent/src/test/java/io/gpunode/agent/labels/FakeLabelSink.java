package io.gpunode.agent.labels;

import java.util.Optional;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/** A place for labels that says what the test wants it to say. */
final class FakeLabelSink implements LabelSink {
    Offer offer = Offer.YES;
    String problem = "";
    boolean current = true;
    /** What was wanted last; null while nobody has wanted anything. */
    @Nullable SortedMap<String, String> wanted;

    /** What was in the place that took over; null while this one was not left. */
    @Nullable SortedMap<String, String> left;

    private final String place;

    FakeLabelSink(String place) {
        this.place = place;
    }

    /** A label that is wanted, or nothing. */
    String label(String key) {
        return wanted == null ? "nothing" : wanted.getOrDefault(key, "none");
    }

    @Override
    public void want(SortedMap<String, String> labels) {
        wanted = labels;
    }

    @Override
    public void leave(SortedMap<String, String> labels) {
        left = labels;
    }

    @Override
    public Offer offer(Runnable changed) {
        return offer;
    }

    @Override
    public Standing standing() {
        return new Standing(place, current && problem.isEmpty(), problem, Optional.empty());
    }
}
