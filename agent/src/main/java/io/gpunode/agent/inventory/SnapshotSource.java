package io.gpunode.agent.inventory;

import io.gpunode.agent.model.NodeSnapshot;
import java.util.function.Consumer;

/** Where features read the picture. */
public interface SnapshotSource {
    /** The newest picture. Never blocks, any thread. */
    NodeSnapshot current();

    /**
     * Asks to be called after each publication, in the order of subscription, on the inventory's own thread. The consumer must be quick and
     * must not block: it compares with what it last published and hands work to its own thread. It is not called for the picture that is
     * current at the time of subscription. What it throws is logged and counted, and does not reach the others.
     */
    Subscription subscribe(String name, Consumer<NodeSnapshot> consumer);

    /** Ends a subscription; idempotent. */
    @FunctionalInterface
    interface Subscription extends AutoCloseable {
        @Override
        void close();
    }
}
