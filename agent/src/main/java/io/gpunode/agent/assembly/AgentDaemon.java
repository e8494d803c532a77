package io.gpunode.agent.assembly;

import io.gpunode.agent.config.ChosenConfiguration;
import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigDiff;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigWatch;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.log.LibraryLog;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.FilePages;
import io.gpunode.agent.os.Signals;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The agent as a daemon: starts the assembly, tells systemd, then serves signals on the calling thread until one asks for the end. SIGTERM and
 * SIGINT end in order within {@link #STOP_LIMIT}; SIGHUP reads the configuration again, as do a change of its files and of the node's label; a
 * second SIGTERM does not hurry it.
 */
public final class AgentDaemon {
    /**
     * How long the services may take to end; with what closing the event loop adds it stays below 5 s. What has not ended by then is left to the end
     * of the process.
     */
    public static final Duration STOP_LIMIT = Duration.ofMillis(3_500);

    private static final Log LOG = Log.of(AgentDaemon.class);
    private static final Duration STATUS_INTERVAL = Duration.ofSeconds(2);
    /** For the label that chooses the configuration, at the start. */
    private static final Duration LABEL_LIMIT = Duration.ofSeconds(5);

    /** How long systemd, and with it the kubelet, waits for GPUs that are being initialised; below the unit's TimeoutStartSec. */
    private static final Duration SETTLE_LIMIT = Duration.ofSeconds(60);
    /** How long for a driver that is installed and not loaded: udev may be about to. */
    private static final Duration DRIVER_LIMIT = Duration.ofSeconds(10);

    private static final Duration SETTLE_PAUSE = Duration.ofMillis(20);

    /** From READY=1 until the pages that only the start needed are given back: by then every loop has turned, and scrapes have come. */
    private static final Duration START_IS_OVER = Duration.ofSeconds(40);

    /** What rare work has touched since is given back as well. */
    private static final Duration GIVE_BACK_INTERVAL = Duration.ofHours(1);

    private static final Duration LABEL_PAUSE = Duration.ofMillis(100);

    /** Reads every source of the configuration again. */
    @FunctionalInterface
    public interface Reload {
        /**
         * The new configuration, not yet in force.
         *
         * @param cluster what an API server knows; its label may choose a named configuration
         */
        LoadedConfig load(ClusterSources cluster) throws ConfigException;
    }

    private enum Wish {
        STOP,
        RELOAD
    }

    private final BlockingQueue<Wish> wishes = new LinkedBlockingQueue<>(16);
    private volatile boolean stopWanted;
    private final SystemdNotifier systemd;
    private final String version;

    /** @param version the agent's own */
    public AgentDaemon(SystemdNotifier systemd, String version) {
        this.systemd = systemd;
        this.version = version;
    }

    /**
     * Runs until a signal asks for the end.
     *
     * @param started called once when everything has started
     * @return whether everything ended in order
     * @throws Exception when it cannot work as configured; what had started is stopped
     */
    public boolean run(LoadedConfig config, Reload reload, Started started) throws Exception {
        LibraryLog.install();
        try (NodeLock _ =
                NodeLock.take(new SystemHostFiles(config.config().host().root()))) {
            return runAlone(config, reload, started);
        } catch (Exception e) {
            // It stays in systemctl status when the process has ended.
            systemd.status("failed: " + e.getMessage());
            throw e;
        }
    }

    private boolean runAlone(LoadedConfig config, Reload reload, Started started) throws Exception {
        ConfigWatch watch = new ConfigWatch(config.stamps(), SystemTime.monotonic());
        Signals.handle("TERM", () -> wish(Wish.STOP));
        Signals.handle("INT", () -> wish(Wish.STOP));
        Signals.handle("HUP", () -> wish(Wish.RELOAD));
        AgentAssembly assembly = start(config, reload, watch);
        LOG.info("started", "version", version, "http", text(assembly));
        try {
            started.started(assembly);
            serve(assembly, reload, watch);
        } catch (Exception e) {
            assembly.stop(STOP_LIMIT);
            throw e;
        }
        systemd.stopping();
        try {
            assembly.stop(STOP_LIMIT);
            LOG.info("stopped");
            return true;
        } catch (Exception e) {
            LOG.warn("stopped, and not everything ended in order", "error", e);
            return false;
        }
    }

    /** Starts, and once more where the label chooses a configuration with settings that only a start can apply. */
    private AgentAssembly start(LoadedConfig config, Reload reload, ConfigWatch watch) throws Exception {
        AgentAssembly first = assemble(config);
        try {
            first.start(() -> awaitLabel(first, reload, watch, true));
            return first;
        } catch (ChosenByLabelException e) {
            Log.level(Log.Level.parse(e.chosen.config().log().level()));
            LOG.info(
                    "the node's label chose a configuration with settings that apply at a start; nothing was offered yet: starting with it",
                    "named",
                    text(e.chosen),
                    "settings",
                    e.settings);
            AgentAssembly again = assemble(e.chosen);
            again.start(() -> awaitLabel(again, reload, watch, false));
            return again;
        }
    }

    private AgentAssembly assemble(LoadedConfig config) {
        AgentAssembly assembly =
                new AgentAssembly(config, version, EventLoops.open("io"), SystemTime.monotonic(), SystemTime.wall());
        assembly.labels().onChange(() -> {
            // Nothing else in the configuration follows from a label.
            if (assembly.choosesByLabel()) {
                wish(Wish.RELOAD);
            }
        });
        assembly.onOtherFields(() -> wish(Wish.RELOAD));
        return assembly;
    }

    /** Ends a start whose configuration is not the one that the label chooses. */
    private static final class ChosenByLabelException extends Exception {
        private static final long serialVersionUID = 1;
        private final transient LoadedConfig chosen;
        private final transient List<String> settings;

        ChosenByLabelException(LoadedConfig chosen, List<String> settings) {
            super("the label chose another configuration");
            this.chosen = chosen;
            this.settings = settings;
        }
    }

    /** Asks the daemon to end, as SIGTERM does. Any thread. */
    public void stop() {
        wish(Wish.STOP);
    }

    /** Called when everything has started. */
    @FunctionalInterface
    public interface Started {
        /** On the daemon's own thread: it serves no signal until this returns. */
        void started(AgentAssembly assembly) throws Exception;
    }

    private void serve(AgentAssembly assembly, Reload reload, ConfigWatch watch) throws InterruptedException {
        Duration watchdog = systemd.watchdogInterval().orElse(STATUS_INTERVAL);
        long longest = Math.min(watchdog.toMillis(), STATUS_INTERVAL.toMillis());
        String told = "";
        MonotonicClock clock = SystemTime.monotonic();
        Tick begun = clock.now();
        Tick giveBack = begun;
        boolean announced = false;
        while (true) {
            if (!announced && settled(assembly, clock.now().since(begun))) {
                systemd.ready();
                announced = true;
                giveBack = clock.now().plus(START_IS_OVER);
            } else if (announced && clock.now().reached(giveBack)) {
                FilePages.giveBack();
                giveBack = clock.now().plus(GIVE_BACK_INTERVAL);
            }
            long pause = announced ? Math.min(longest, watch.pause().toMillis()) : SETTLE_PAUSE.toMillis();
            @Nullable Wish wish = wishes.poll(pause, TimeUnit.MILLISECONDS);
            if (assembly.heartbeats().ok()) {
                // A loop that is stuck lets the watchdog bark: systemd restarts the agent.
                systemd.watchdog();
            }
            String unready = assembly.unready();
            String status = (unready.isEmpty() ? "ready" : "not ready, " + unready) + assembly.summary();
            if (!status.equals(told)) {
                systemd.status(status);
                told = status;
            }
            if (stopWanted) {
                LOG.info("stopping");
                return;
            }
            boolean changed = assembly.config().watch() && watch.changed();
            if (changed || wish == Wish.RELOAD) {
                reload(assembly, reload, watch);
            }
        }
    }

    /** Whether whoever waits for this service may go on: the GPUs are described, or are not waited for any longer. */
    private static boolean settled(AgentAssembly assembly, Duration waited) {
        return switch (assembly.outlook()) {
            case DESCRIBED, NONE -> true;
            case DRIVER_MISSING -> waited.compareTo(DRIVER_LIMIT) >= 0;
            case COMING -> waited.compareTo(SETTLE_LIMIT) >= 0;
        };
    }

    /**
     * A node whose label chooses its configuration offers nothing under another one first, unless the label stays unknown: then it goes on with
     * what chooses without it, and follows the label when it comes. Where nothing else chooses, the device plugin goes on waiting.
     *
     * @param first whether the assembly was made without knowing the label
     */
    private void awaitLabel(AgentAssembly assembly, Reload reload, ConfigWatch watch, boolean first)
            throws InterruptedException, ChosenByLabelException {
        if (!assembly.choosesByLabel()) {
            return;
        }
        MonotonicClock clock = SystemTime.monotonic();
        Tick limit = clock.now().plus(LABEL_LIMIT);
        while (assembly.awaitsLabel() && !stopWanted && !clock.now().reached(limit)) {
            // A label that has come asks for a reload, which ends this pause.
            wishes.poll(LABEL_PAUSE.toMillis(), TimeUnit.MILLISECONDS);
        }
        // Without an answer this time, what the label chose a moment ago stays.
        if (stopWanted || (!first && assembly.labels().pending())) {
            return;
        }
        Optional<LoadedConfig> next = load(assembly, reload, watch);
        if (next.isEmpty()) {
            return;
        }
        if (first) {
            List<String> settings = new ArrayList<>();
            for (ConfigDiff.Change change : assembly.difference(next.get()).needRestart()) {
                settings.add(change.setting());
            }
            if (!settings.isEmpty()) {
                throw new ChosenByLabelException(next.get(), settings);
            }
        }
        apply(assembly, next.get());
    }

    private void reload(AgentAssembly assembly, Reload reload, ConfigWatch watch) {
        systemd.reloading();
        load(assembly, reload, watch).ifPresent(next -> apply(assembly, next));
        systemd.ready();
    }

    /** Reads every source again; empty when what they say cannot be used, which is told. */
    private static Optional<LoadedConfig> load(AgentAssembly assembly, Reload reload, ConfigWatch watch) {
        try {
            LoadedConfig next = reload.load(assembly.cluster());
            watch.read(next.stamps());
            Optional<Problem> undecided = next.named().flatMap(ChosenConfiguration::undecided);
            if (undecided.isPresent() && assembly.decided()) {
                refuse(assembly, List.of(undecided.get()));
                return Optional.empty();
            }
            for (Problem notice : next.notices()) {
                LOG.warn(notice.toString());
            }
            return Optional.of(next);
        } catch (ConfigException e) {
            watch.read(e.stamps());
            refuse(assembly, e.problems());
        } catch (RuntimeException e) {
            LOG.error("the configuration could not be read; the agent goes on with the one that it had", e);
            assembly.refused(List.of(new Problem("configuration", "", "could not be read: " + e, "see the log")));
        }
        return Optional.empty();
    }

    private static void refuse(AgentAssembly assembly, List<Problem> problems) {
        for (Problem problem : problems) {
            LOG.error("the configuration is not used: " + problem);
        }
        LOG.warn("the agent goes on with the configuration that it had", "problems", problems.size());
        assembly.refused(problems);
    }

    private static void apply(AgentAssembly assembly, LoadedConfig next) {
        try {
            assembly.reload(next);
            LOG.info("configuration read again", "named", text(next));
        } catch (RuntimeException e) {
            String what = "could not be applied as a whole: a part of the settings may be in force";
            LOG.error("the configuration " + what + "; a restart applies all (systemctl restart gpu-node-agent)", e);
            assembly.refused(List.of(
                    new Problem("configuration", "", what + ": " + e, "systemctl restart gpu-node-agent applies all")));
        }
    }

    private void wish(Wish wish) {
        // The end is a flag, so that no flood of reloads can push it out; the queue only wakes the daemon. One reload
        // reads what all asked for.
        if (wish == Wish.STOP) {
            stopWanted = true;
        } else if (wishes.contains(Wish.RELOAD)) {
            return;
        }
        wishes.offer(wish);
    }

    private static String text(LoadedConfig config) {
        return config.named().map(ChosenConfiguration::toString).orElse("none");
    }

    private static String text(AgentAssembly assembly) {
        InetSocketAddress address = assembly.httpAddress();
        if (address.isUnresolved()) {
            return address.getHostString();
        }
        String host = address.getAddress().isAnyLocalAddress()
                ? "localhost"
                : address.getAddress().getHostAddress();
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
    }
}
