package io.gpunode.agent.cli;

import io.gpunode.agent.config.GoDuration;
import io.gpunode.agent.kubernetes.DrainOrder;
import io.gpunode.agent.kubernetes.DrainProgress;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code node drain}. */
@Command(
        name = "drain",
        description = {
            "Frees the node of pods that hold GPUs, for maintenance of driver, firmware or hardware: cordons it, evicts them,"
                    + " waits until they are gone. Other pods are left alone.",
            "",
            "Disruption budgets and grace periods are respected and nothing is deleted by force. Pods of DaemonSets, static"
                    + " pods, and those with this label stay:",
            "    nvidia.com/gpu-driver-upgrade-drain.skip=true",
            "While a pod without a controller, or one that keeps data in an emptyDir, holds a GPU, nothing is evicted.",
            "",
            "Who cordoned the node is kept on it: stopped at any place, the same command goes on, and node uncordon undoes it."
        })
final class NodeDrainCommand implements Callable<Integer> {
    private static final Duration LONGEST = Duration.ofHours(24);

    private final Shell shell;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--timeout",
            paramLabel = "DURATION",
            description = "How long the pods may take, such as 90s or 10m; 24h at most. Default: 5m.")
    private String timeout = "5m";

    @Option(
            names = "--dry-run",
            description =
                    "Tells which pods would go and which would be in the way: the API server checks each eviction and"
                            + " carries out none.")
    private boolean dryRun;

    @Option(
            names = "--delete-emptydir-data",
            description = "Evicts pods with emptyDir volumes on disk, whose data is lost.")
    private boolean deleteEmptyDirData;

    @Option(names = "--reason", paramLabel = "TEXT", description = "Is kept on the node with the cordon.")
    private String reason = "";

    @Mixin
    private NodeOptions options = new NodeOptions();

    NodeDrainCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        Optional<Duration> limit = GoDuration.parse(timeout);
        if (limit.isEmpty() || !limit.get().isPositive() || limit.get().compareTo(LONGEST) > 0) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--timeout: \"" + timeout
                            + "\" is not a duration of more than zero and at most 24h, such as 90s or 10m");
        }
        DrainOrder order = new DrainOrder(Main.NAME + " node drain", reason, limit.get(), dryRun, deleteEmptyDirData);
        return options.execute(shell, true, session -> session.drain(order), NodeDrainCommand::stopped)
                .code();
    }

    private static String stopped(DrainProgress progress) {
        if (progress.cordon().isEmpty()) {
            return "stopped before anything was done";
        }
        int going = progress.count(DrainProgress.Fate.GOING);
        return "stopped; the node stays cordoned"
                + (going == 0 ? "" : " and " + (going == 1 ? "1 pod goes" : going + " pods go") + " on ending")
                + ". Go on with: " + Main.NAME + " node drain; undo it with: " + Main.NAME + " node uncordon";
    }
}
