package io.gpunode.agent.assembly;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.gpu.CallRecord;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.NvmlOpener;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.labels.FeatureLabels;
import io.gpunode.agent.labels.HostFactsReader;
import io.gpunode.agent.labels.LabelSettings;
import io.gpunode.agent.labels.OperatorLabels;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The node's labels without an agent: opens NVML, takes one picture and closes it again. It reads, and nothing else: an agent that runs beside it
 * has a session of its own and does not notice.
 *
 * @param labels of the node as it is
 * @param problem why the GPUs are not among them, with the next step; empty when they are
 */
public record OneLook(SortedMap<String, String> labels, String problem) {
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(5);

    /**
     * Looks.
     *
     * @param limit how long opening NVML and identifying the GPUs may take
     * @throws TimeoutException when the driver does not answer within the limit
     */
    public static OneLook at(AgentConfig config, Duration limit, MonotonicClock clock, InstantSource wall)
            throws InterruptedException, TimeoutException {
        HostFiles host = new SystemHostFiles(config.host().root());
        GpuAccess access = new GpuAccess(
                NvmlOpener.of(config.nvml(), config.plugin(), host),
                config.nvml().callDeadline(),
                clock,
                wall,
                new CallRecord(Meters.NONE, wall));
        Inventory inventory = new Inventory(
                access,
                host,
                config.nvml().retryInterval(),
                config.sampling().interval(),
                clock,
                wall,
                new Heartbeats(clock),
                Meters.NONE);
        CompletableFuture<NodeSnapshot> first = new CompletableFuture<>();
        NodeSnapshot picture;
        try (SnapshotSource.Subscription _ = inventory.subscribe("one-look", snapshot -> {
            if (!starting(snapshot)) {
                first.complete(snapshot);
            }
        })) {
            inventory.start();
            picture = first.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new IllegalStateException("nobody fails this", e);
        } finally {
            inventory.stop(CLOSE_LIMIT);
        }
        LabelSettings settings = LabelSettings.of(config, wall.instant().getEpochSecond());
        SortedMap<String, String> labels = FeatureLabels.of(
                picture,
                settings,
                new HostFactsReader(host).read(config.labels().machineTypeFile()));
        return new OneLook(
                // What others have set on the node is not known here, and whoever takes these labels does not ask.
                OperatorLabels.yielding(labels, NodeLabels.NONE),
                picture.nvml() instanceof NvmlState.Waiting waiting
                        ? waiting.reason() + "; " + waiting.nextStep()
                        : "");
    }

    private static boolean starting(NodeSnapshot snapshot) {
        return snapshot.nvml() instanceof NvmlState.Waiting waiting
                && waiting.kind().equals(NvmlState.Waiting.STARTING);
    }
}
