package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.RegistrationWay;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** A device plugin whose resources the test sets, in real time. */
final class PluginUnderTest {
    final FakeCatalog catalog = new FakeCatalog();
    final RecordedTroubles troubles = new RecordedTroubles();
    final FakeSnapshotSource source = new FakeSnapshotSource(Snapshots.h100x8().build());
    final DevicePlugin plugin;

    PluginUnderTest(Path directory, EventLoops loops) {
        this(directory, loops, FileSystems.getDefault()::newWatchService);
    }

    PluginUnderTest(Path directory, EventLoops loops, KubeletWatch.Opener watches) {
        this(directory, loops, watches, SystemTime.monotonic());
    }

    PluginUnderTest(Path directory, EventLoops loops, KubeletWatch.Opener watches, MonotonicClock clock) {
        this(
                new AgentConfig.Kubelet(directory, directory.resolve("pod-resources.sock"), RegistrationWay.SOCKET),
                loops,
                watches,
                clock,
                Meters.NONE);
    }

    PluginUnderTest(Path directory, EventLoops loops, Meters meters) {
        this(
                new AgentConfig.Kubelet(directory, directory.resolve("pod-resources.sock"), RegistrationWay.SOCKET),
                loops,
                FileSystems.getDefault()::newWatchService,
                SystemTime.monotonic(),
                meters);
    }

    private PluginUnderTest(
            AgentConfig.Kubelet kubelet,
            EventLoops loops,
            KubeletWatch.Opener watches,
            MonotonicClock clock,
            Meters meters) {
        plugin = new DevicePlugin(
                PluginConfigs.envvar(),
                catalog,
                kubelet,
                source,
                Optional::empty,
                new SystemHostFiles(kubelet.devicePluginDirectory()),
                loops,
                new Heartbeats(SystemTime.monotonic()),
                meters,
                troubles,
                clock,
                SystemTime.wall(),
                new SplittableRandom(),
                watches);
    }

    /** One that the kubelet finds in {@code plugins_registry}, beside this directory. */
    static PluginUnderTest found(Path directory, EventLoops loops) {
        return new PluginUnderTest(
                new AgentConfig.Kubelet(
                        directory, directory.resolve("pod-resources.sock"), RegistrationWay.PLUGINS_REGISTRY),
                loops,
                FileSystems.getDefault()::newWatchService,
                SystemTime.monotonic(),
                Meters.NONE);
    }

    /** Lets the plugin see what the test has changed in the catalog. */
    void look() {
        plugin.cdiWritten(CdiCoverage.NONE);
    }

    /** Lets the plugin see what the test has changed, and waits until it has acted on it. */
    void lookThrough() throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        // The second turn from now on begins after the first has ended.
        for (int turn = 0; turn < 2; turn++) {
            long before = catalog.updates();
            look();
            for (int i = 0; i < 10_000 && catalog.updates() == before; i++) {
                assertThat(never.await(1, TimeUnit.MILLISECONDS)).isFalse();
            }
            assertThat(catalog.updates()).isGreaterThan(before);
        }
    }

    /** How a resource stands; fails when it is not offered. */
    DevicePluginStatus status(String resource) {
        return plugin.status().stream()
                .filter(status -> status.resource().equals(resource))
                .findFirst()
                .orElseThrow(() -> new AssertionError(resource + " is not among " + plugin.status()));
    }

    /** Asks each millisecond until a resource's status is as wanted. */
    DevicePluginStatus await(String resource, Predicate<DevicePluginStatus> wanted) throws InterruptedException {
        return await(plugin, status -> status.resource().equals(resource) && wanted.test(status));
    }

    /** Asks each millisecond until some resource's status is as wanted. */
    static DevicePluginStatus await(DevicePlugin plugin, Predicate<DevicePluginStatus> wanted)
            throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 10_000; i++) {
            for (DevicePluginStatus status : plugin.status()) {
                if (wanted.test(status)) {
                    return status;
                }
            }
            assertThat(never.await(1, TimeUnit.MILLISECONDS)).isFalse();
        }
        throw new AssertionError("within 10 s it stayed at " + plugin.status());
    }

    /** Asks each millisecond until these resources are offered, in this order. */
    void awaitResources(List<String> resources) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 10_000; i++) {
            if (plugin.status().stream()
                    .map(DevicePluginStatus::resource)
                    .toList()
                    .equals(resources)) {
                return;
            }
            assertThat(never.await(1, TimeUnit.MILLISECONDS)).isFalse();
        }
        throw new AssertionError("within 10 s it stayed at " + plugin.status());
    }

    void stop() throws Exception {
        plugin.stop(Duration.ofSeconds(5));
    }
}
