package io.gpunode.agent.labels;

import io.gpunode.agent.kubernetes.LabelWriterStatus;
import io.gpunode.agent.kubernetes.NodeLabelWriter;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.function.Supplier;

/**
 * The Node object itself, through the API server. What it holds of this agent is known from the watch of the node, so that nothing is wanted here
 * may be said at any time and costs no request where there is nothing.
 */
final class NodeSink implements LabelSink {
    private static final int NAMED = 3;

    private final NodeLabelWriter writer;
    private final Supplier<String> unreachable;
    private volatile int wanted;

    /** @param unreachable why the API server is not reached; empty while it is, or may be soon */
    NodeSink(NodeLabelWriter writer, Supplier<String> unreachable) {
        this.writer = writer;
        this.unreachable = unreachable;
    }

    @Override
    public void want(SortedMap<String, String> labels) {
        wanted = labels.size();
        writer.want(labels);
    }

    /** What node-feature-discovery has taken stays on the object, and is its from then on. */
    @Override
    public void leave(SortedMap<String, String> labels) {
        wanted = 0;
        writer.leave(labels);
    }

    /** The last resort of a publisher that has the choice. */
    @Override
    public Offer offer(Runnable changed) {
        return Offer.YES;
    }

    @Override
    public Standing standing() {
        return standing(writer.status(), wanted, unreachable.get());
    }

    static Standing standing(LabelWriterStatus status, int wanted, String unreachable) {
        String problem = unreachable.isEmpty() ? status.reason() : unreachable;
        if (problem.isEmpty() && !status.conflicts().isEmpty()) {
            problem = "others have set " + some(status.conflicts())
                    + "; end what writes them, remove them with kubectl label, or set labels.force";
        }
        if (problem.isEmpty() && !status.leftOut().isEmpty()) {
            problem = "left out: " + some(status.leftOut());
        }
        boolean current = problem.isEmpty() && status.wanted() == wanted && status.applied() == wanted;
        return new Standing("the Node object", current, problem, Optional.empty());
    }

    /** A few of these labels, each with what is said of it. */
    static String some(SortedMap<String, String> labels) {
        StringBuilder text = new StringBuilder();
        int named = 0;
        for (Map.Entry<String, String> label : labels.entrySet()) {
            if (named++ == NAMED) {
                return text.append(" and ")
                        .append(labels.size() - NAMED)
                        .append(" more")
                        .toString();
            }
            text.append(text.isEmpty() ? "" : ", ")
                    .append(label.getKey())
                    .append(" (")
                    .append(label.getValue())
                    .append(')');
        }
        return text.toString();
    }
}
