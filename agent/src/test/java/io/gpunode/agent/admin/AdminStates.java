package io.gpunode.agent.admin;

import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What admin's pages look at, put together for a test. */
final class AdminStates {
    Tick now = new Tick(Duration.ofHours(1).toNanos());
    final MonotonicClock clock = () -> now;
    final Heartbeats heartbeats = new Heartbeats(clock);
    final List<ReadinessCheck> readiness = new ArrayList<>();
    final List<StateSection> sections = new ArrayList<>();
    final Map<String, List<PodUse>> holders = new LinkedHashMap<>();
    final FakeSnapshotSource snapshots;

    AdminStates(NodeSnapshot snapshot) {
        this.snapshots = new FakeSnapshotSource(snapshot);
    }

    AdminStates holder(String device, String namespace, String pod, String container) {
        holders.put(device, List.of(new PodUse(namespace, pod, container)));
        return this;
    }

    AdminStates condition(String name, ReadinessCheck.Condition condition) {
        readiness.add(new ReadinessCheck() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public Condition check() {
                return condition;
            }
        });
        return this;
    }

    AdminState build() {
        return build(clock);
    }

    /** For a server, whose deadlines need a clock that runs. */
    AdminState build(MonotonicClock running) {
        return new AdminState(
                "0.1.0",
                "node-a",
                snapshots,
                () -> Optional.of(new PodResourcesPicture(holders, now, "")),
                heartbeats,
                readiness,
                sections,
                running);
    }

    /** A page's body. */
    static String body(Page page) {
        StringBuilder text = new StringBuilder();
        page.write((bytes, from, length) -> text.append(new String(bytes, from, length, StandardCharsets.UTF_8)));
        return text.toString();
    }

    /** A page's status. */
    static int status(Page page) {
        return page.write((_, _, _) -> {});
    }
}
