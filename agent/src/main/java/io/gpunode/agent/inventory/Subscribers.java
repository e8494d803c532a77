package io.gpunode.agent.inventory;

import io.gpunode.agent.inventory.SnapshotSource.Subscription;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.NodeSnapshot;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/** Those who are told of each picture. Any thread adds and removes; the inventory's thread tells. */
final class Subscribers {
    private static final Log LOG = Log.of(Inventory.class);

    private final List<Subscriber> all = new CopyOnWriteArrayList<>();
    private final Meters meters;

    Subscribers(Meters meters) {
        this.meters = meters;
    }

    Subscription add(String name, Consumer<NodeSnapshot> consumer) {
        Subscriber subscriber = new Subscriber(
                name,
                consumer,
                meters.counter(
                        "gpu_node_agent_snapshot_consumer_failures",
                        "Times that a consumer of the node's picture failed.",
                        "consumer",
                        name));
        all.add(subscriber);
        return () -> all.remove(subscriber);
    }

    void tell(NodeSnapshot snapshot) {
        for (Subscriber subscriber : all) {
            try {
                subscriber.consumer.accept(snapshot);
            } catch (RuntimeException | LinkageError | AssertionError e) {
                subscriber.failures.increment();
                LOG.error("a consumer of the picture failed", e, "consumer", subscriber.name);
            }
        }
    }

    private record Subscriber(String name, Consumer<NodeSnapshot> consumer, Meters.Counter failures) {}
}
