package io.gpunode.agent.testing;

import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.model.NodeSnapshot;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/** A source whose pictures the test publishes; consumers are called on the publishing thread, in the order of subscription. */
public final class FakeSnapshotSource implements SnapshotSource {
    private final List<Consumer<NodeSnapshot>> consumers = new CopyOnWriteArrayList<>();
    private volatile NodeSnapshot current;

    public FakeSnapshotSource(NodeSnapshot first) {
        this.current = first;
    }

    /** Publishes a picture. Versions must not go back: the inventory never does that. */
    public void publish(NodeSnapshot snapshot) {
        if (snapshot.version() <= current.version() || snapshot.structureVersion() < current.structureVersion()) {
            throw new IllegalArgumentException("version " + snapshot.version() + "/" + snapshot.structureVersion()
                    + " does not follow " + current.version() + "/" + current.structureVersion());
        }
        current = snapshot;
        consumers.forEach(consumer -> consumer.accept(snapshot));
    }

    /** How many subscriptions are open. */
    public int subscriptions() {
        return consumers.size();
    }

    @Override
    public NodeSnapshot current() {
        return current;
    }

    @Override
    public Subscription subscribe(String name, Consumer<NodeSnapshot> consumer) {
        consumers.add(consumer);
        return () -> consumers.remove(consumer);
    }
}
