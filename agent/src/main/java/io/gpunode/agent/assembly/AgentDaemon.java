package io.gpunode.agent.assembly;

import io.gpunode.agent.config.ChosenConfiguration;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigWatch;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.log.LibraryLog;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.Signals;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
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

    private static final Duration LABEL_PAUSE = Duration.ofMillis(100);

    /** Reads every source of the configuration again. */
    @FunctionalInterface
    public interface Reload {
        /**
         * The new configuration, not yet in force.
         *
         * @param labels may choose a named configuration
         */
        LoadedConfig load(NodeLabels labels) throws ConfigException;
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
        EventLoops loops = EventLoops.open("io");
        AgentAssembly assembly = new AgentAssembly(config, version, loops, SystemTime.monotonic(), SystemTime.wall());
        ConfigWatch watch = new ConfigWatch(config.stamps(), SystemTime.monotonic());
        Signals.handle("TERM", () -> wish(Wish.STOP));
        Signals.handle("INT", () -> wish(Wish.STOP));
        Signals.handle("HUP", () -> wish(Wish.RELOAD));
        assembly.labels().onChange(() -> {
            // Nothing else in the configuration follows from a label.
            if (assembly.choosesByLabel()) {
                wish(Wish.RELOAD);
            }
        });
        assembly.start(() -> awaitLabel(assembly, reload, watch));
        LOG.info("started", "version", version, "http", text(assembly));
        systemd.ready();
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
        while (true) {
            long pause = Math.min(longest, watch.pause().toMillis());
            @Nullable Wish wish = wishes.poll(pause, TimeUnit.MILLISECONDS);
            if (assembly.heartbeats().ok()) {
                // A loop that is stuck lets the watchdog bark: systemd restarts the agent.
                systemd.watchdog();
            }
            String unready = assembly.unready();
            String status = unready.isEmpty() ? "ready" : "not ready, " + unready;
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

    /**
     * A node whose label chooses its configuration offers nothing under another one first, unless the label stays unknown: then it goes on with
     * what chooses without it, and follows the label when it comes.
     */
    private void awaitLabel(AgentAssembly assembly, Reload reload, ConfigWatch watch) throws InterruptedException {
        if (!assembly.choosesByLabel()) {
            return;
        }
        MonotonicClock clock = SystemTime.monotonic();
        Tick limit = clock.now().plus(LABEL_LIMIT);
        while (assembly.awaitsLabel() && !stopWanted && !clock.now().reached(limit)) {
            // A label that has come asks for a reload, which ends this pause.
            wishes.poll(LABEL_PAUSE.toMillis(), TimeUnit.MILLISECONDS);
        }
        if (!stopWanted) {
            read(assembly, reload, watch);
        }
    }

    private void reload(AgentAssembly assembly, Reload reload, ConfigWatch watch) {
        systemd.reloading();
        read(assembly, reload, watch);
        systemd.ready();
    }

    private void read(AgentAssembly assembly, Reload reload, ConfigWatch watch) {
        try {
            LoadedConfig next = reload.load(assembly.labels());
            watch.read(next.stamps());
            for (Problem notice : next.notices()) {
                LOG.warn(notice.toString());
            }
            assembly.reload(next);
            LOG.info(
                    "configuration read again",
                    "named",
                    next.named().map(ChosenConfiguration::toString).orElse("none"));
        } catch (ConfigException e) {
            watch.read(e.stamps());
            for (Problem problem : e.problems()) {
                LOG.error("the configuration is not used: " + problem);
            }
            LOG.warn(
                    "the agent goes on with the configuration that it had",
                    "problems",
                    e.problems().size());
            assembly.refused(e.problems());
        } catch (RuntimeException e) {
            LOG.error("the configuration could not be applied; the agent goes on with the one that it had", e);
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

    private static String text(AgentAssembly assembly) {
        var address = assembly.httpAddress();
        String host = address.getAddress().isAnyLocalAddress()
                ? "localhost"
                : address.getAddress().getHostAddress();
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
    }
}
