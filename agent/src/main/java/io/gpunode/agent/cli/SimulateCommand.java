package io.gpunode.agent.cli;

import io.gpunode.agent.assembly.AgentAssembly;
import io.gpunode.agent.assembly.AgentDaemon;
import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.GoDuration;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.simulation.PodTraffic;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * {@code gpu-node-agent simulate}: the agent as it is, on a node that is not there. The node is given to it by the settings that an operator has
 * (host root, kubelet directories); nothing in the agent knows. Nothing here may load the command line library.
 */
final class SimulateCommand {
    /** The command's own flags. */
    static final List<String> FLAGS = List.of("profile", "pods", "duration", "seed");

    /** Without one of them the API server is left alone; the last two are one setting. */
    private static final List<String> API_SERVER_FLAGS =
            List.of("--kubernetes-api", "--kubeconfig", "--kubernetes-kubeconfig");

    /** Without one of them feature labels are written into the simulated node's own folder. */
    private static final List<String> LABEL_FLAGS = List.of("--labels-sink", "--use-node-feature-api");

    static final String DEFAULT_PROFILE = "8xh100";
    private static final Duration TRAFFIC_STOP_LIMIT = Duration.ofSeconds(2);
    private static final Duration LONGEST = Duration.ofDays(365);

    private final Shell shell;

    SimulateCommand(Shell shell) {
        this.shell = shell;
    }

    /** Runs until a signal or the end of {@code --duration}. */
    ExitCode execute(List<String> arguments) {
        RunArguments asked = RunArguments.parse(arguments, FLAGS);
        if (asked.help()) {
            return Commands.execute(shell, List.of("simulate", "--help"));
        }
        List<String> problems = new ArrayList<>(asked.problems());
        Options options = Options.read(asked.extras(), problems);
        if (!problems.isEmpty()) {
            shell.usage("simulate", problems);
            return ExitCode.USAGE;
        }
        MonotonicClock clock = SystemTime.monotonic();
        // The places to look at come first; what happens before them is only worth telling when it fails.
        RunCommand.configureLog(shell, "error");
        EventLoops loops = EventLoops.open("simulated-kubelet");
        try (SimulatedNode node = SimulatedNode.create(options.profile, loops, clock)) {
            node.kubelet().start();
            List<String> onNode = new ArrayList<>(List.of(
                    "--host-root=" + node.hostRoot(),
                    "--kubelet-device-plugin-directory=" + node.devicePluginDirectory(),
                    "--kubelet-pod-resources-socket=" + node.podResourcesSocket()));
            if (!asks(arguments, LABEL_FLAGS)) {
                onNode.add("--labels-sink=file");
            }
            if (!asksForApiServer(arguments)) {
                // A kubeconfig of whoever tries it leads to a real cluster, which has no such node.
                onNode.add("--kubernetes-api=off");
            }
            onNode.addAll(arguments);
            RunArguments parsed = RunArguments.parse(onNode, FLAGS);
            if (!parsed.problems().isEmpty()) {
                shell.usage("simulate", parsed.problems());
                return ExitCode.USAGE;
            }
            AgentDaemon.Reload load = cluster -> shell.loader().load(parsed.flags(), parsed.file(), cluster);
            LoadedConfig config = load.load(ClusterSources.NOT_ASKED);
            return run(node, options, config, load, clock) ? ExitCode.OK : ExitCode.FAILURE;
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return ExitCode.USAGE;
        } catch (Exception e) {
            shell.failure(e, asked.verbose());
            return ExitCode.FAILURE;
        } finally {
            loops.close();
        }
    }

    /** Whether whoever calls says which API server; what is to be done there, such as {@code --kubernetes-events}, says nothing of that. */
    static boolean asksForApiServer(List<String> arguments) {
        return asks(arguments, API_SERVER_FLAGS);
    }

    /** Whether one of the flags is among the arguments. */
    private static boolean asks(List<String> arguments, List<String> flags) {
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            if (flags.contains(equals < 0 ? argument : argument.substring(0, equals))) {
                return true;
            }
        }
        return false;
    }

    private boolean run(
            SimulatedNode node, Options options, LoadedConfig config, AgentDaemon.Reload load, MonotonicClock clock)
            throws Exception {
        AgentDaemon daemon = new AgentDaemon(SystemdNotifier.ofProcess(clock), VersionCommand.version());
        PodTraffic traffic = new PodTraffic(node, new Heartbeats(clock), options.seed);
        boolean inOrder = daemon.run(config, load, assembly -> {
            greet(assembly, options);
            Log.level(Log.Level.parse(config.config().log().level()));
            if (options.pods) {
                traffic.start();
            }
            if (options.duration.isPositive()) {
                CompletableFuture.delayedExecutor(options.duration.toMillis(), TimeUnit.MILLISECONDS)
                        .execute(daemon::stop);
            }
        });
        if (options.pods) {
            traffic.stop(TRAFFIC_STOP_LIMIT);
        }
        return inOrder;
    }

    private void greet(AgentAssembly assembly, Options options) {
        InetSocketAddress address = assembly.httpAddress();
        String host =
                address.getAddress().isAnyLocalAddress() || address.getAddress().isLoopbackAddress()
                        ? "localhost"
                        : address.getAddress().getHostAddress();
        String place = (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
        shell.out().println("status page   http://" + place + "/");
        shell.out().println("metrics       http://" + place + "/metrics");
        shell.out()
                .println("status        " + program() + " status"
                        + (address.getPort() == 9400 ? "" : " --address " + place)
                        + "        (a simulated " + options.profile + " node; Ctrl-C ends it)");
        shell.out().flush();
    }

    /** How this program was called, as the launcher says. */
    private String program() {
        return shell.environment().getOrDefault("GPU_NODE_AGENT_LAUNCHER", Main.NAME);
    }

    /** The command's own flags, read. */
    private record Options(String profile, boolean pods, Duration duration, long seed) {
        static Options read(Map<String, String> flags, List<String> problems) {
            String profile = flags.getOrDefault("profile", DEFAULT_PROFILE);
            List<String> profiles = SimulatedNode.profiles();
            if (!profiles.contains(profile)) {
                problems.add("--profile \"" + profile + "\" is not one of " + String.join(", ", profiles));
            }
            String pods = flags.getOrDefault("pods", "true");
            if (!pods.equals("true") && !pods.equals("false")) {
                problems.add("--pods \"" + pods + "\" is neither true nor false");
            }
            Duration duration = Duration.ZERO;
            if (flags.containsKey("duration")) {
                duration = GoDuration.parse(flags.get("duration")).orElse(Duration.ZERO);
                if (duration.toMillis() < 1 || duration.compareTo(LONGEST) > 0) {
                    problems.add("--duration \"" + flags.get("duration")
                            + "\" is not a duration from 1ms to 8760h, such as 30s or 5m");
                }
            }
            long seed = 1;
            try {
                seed = Long.parseLong(flags.getOrDefault("seed", "1"));
            } catch (NumberFormatException e) {
                problems.add("--seed \"" + flags.get("seed") + "\" is not a whole number");
            }
            return new Options(profile, pods.equals("true"), duration, seed);
        }
    }
}
