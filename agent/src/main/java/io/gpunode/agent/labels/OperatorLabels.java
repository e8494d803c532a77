package io.gpunode.agent.labels;

import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.config.NodeLabels.Answer;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The manners of labels that NVIDIA's operator sets: what somebody else has set stays. A person sets {@code nvidia.com/gpu.deploy.<part>=false}
 * to keep a part off a node and {@code nvidia.com/gpu.deploy.operands=false} to keep all of them off; a driver's upgrade sets
 * {@code paused-for-driver-upgrade} and takes it back. The operator itself sets only labels that are not there. Pure, but for the question
 * of what the node has now.
 */
public final class OperatorLabels {
    /** A person's word about all parts at once. */
    private static final String ALL_PARTS = Label.PREFIX + "gpu.deploy.operands";

    private OperatorLabels() {}

    /**
     * The labels that may be written onto the node: all but those of the operator that the node has with another value. While nobody knows what
     * the node has, and where labels go by way of node-feature-discovery, which does not ask, none of {@code gpu.deploy.*} may.
     *
     * @param wanted what {@link FeatureLabels#of} made
     * @param node the node's labels now; {@link NodeLabels#NONE} where they are not known
     * @return a map of its own
     */
    public static SortedMap<String, String> yielding(SortedMap<String, String> wanted, NodeLabels node) {
        boolean noParts = node.label(ALL_PARTS) instanceof Answer.Value(String value) && value.equals("false");
        SortedMap<String, String> left = new TreeMap<>(wanted);
        for (Label label : Label.values()) {
            String value = wanted.get(label.key());
            if (value == null) {
                continue;
            }
            boolean yields = switch (label.scope()) {
                case OPERATOR -> foreign(node.label(label.key()), value, false);
                case DEPLOY -> noParts || foreign(node.label(label.key()), value, true);
                case NODE, DEPRECATED, RESOURCE, MIG -> false;
            };
            if (yields) {
                left.remove(label.key());
            }
        }
        return left;
    }

    /** Whether the node's object has been read, so that what others have set is known. */
    static boolean areKnown(NodeLabels node) {
        return !(node.label(ALL_PARTS) instanceof Answer.Unknown);
    }

    private static boolean foreign(Answer answer, String ours, boolean whenUnknown) {
        return switch (answer) {
            case Answer.Value(String value) -> !value.equals(ours);
            case Answer.NotSet _ -> false;
            case Answer.Unknown _ -> whenUnknown;
        };
    }
}
