package io.gpunode.agent.labels;

import io.gpunode.agent.kubernetes.NodeFeatureStatus;
import io.gpunode.agent.kubernetes.NodeFeatureWriter;
import java.util.Optional;
import java.util.SortedMap;
import java.util.function.Supplier;

/**
 * The NodeFeature object, through the API server. Where nothing was ever wanted in it, its writer looks once whether an earlier life has left
 * something there: each agent of a cluster would do more than that at its start.
 */
final class NodeFeatureSink implements LabelSink {
    private final NodeFeatureWriter writer;
    private final Supplier<String> unreachable;
    private boolean asked;
    private boolean used;
    private boolean sought;
    private volatile int wanted;

    /** @param unreachable why the API server is not reached; empty while it is, or may be soon */
    NodeFeatureSink(NodeFeatureWriter writer, Supplier<String> unreachable) {
        this.writer = writer;
        this.unreachable = unreachable;
    }

    @Override
    public void want(SortedMap<String, String> labels) {
        used |= !labels.isEmpty();
        if (used) {
            wanted = labels.size();
            writer.want(labels);
        } else if (!sought) {
            sought = true;
            writer.clearLeftover();
        }
    }

    /** The first time, the API server is asked; until then nobody has anything to do with such objects. */
    @Override
    public Offer offer(Runnable changed) {
        if (!asked) {
            asked = true;
            writer.find(changed);
        }
        return switch (writer.usability()) {
            case USABLE -> Offer.YES;
            case NOT_SERVED, FORBIDDEN -> Offer.NO;
            case UNKNOWN -> Offer.UNKNOWN;
        };
    }

    @Override
    public Standing standing() {
        return standing(writer.status(), wanted, unreachable.get());
    }

    static Standing standing(NodeFeatureStatus status, int wanted, String unreachable) {
        String problem = unreachable.isEmpty() ? status.reason() : unreachable;
        if (problem.isEmpty() && !status.leftOut().isEmpty()) {
            problem = "left out: " + NodeSink.some(status.leftOut());
        }
        boolean current = problem.isEmpty() && status.wanted() == wanted && status.written();
        return new Standing(
                status.object().isEmpty() ? "the NodeFeature object" : "NodeFeature " + status.object(),
                current,
                problem,
                Optional.empty());
    }
}
