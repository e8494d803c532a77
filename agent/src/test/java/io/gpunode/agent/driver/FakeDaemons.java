package io.gpunode.agent.driver;

import io.gpunode.agent.driver.DaemonStatus.Keeper;
import io.gpunode.agent.driver.DaemonStatus.State;
import io.gpunode.agent.os.ProcessIdentity;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Daemons that are not there, with what may be wrong with them. Needs the persistence daemon unless told otherwise. */
public final class FakeDaemons implements Daemons {
    private record Running(ProcessIdentity process, Keeper keeper) {}

    private final Map<DaemonKind, Running> running = new EnumMap<>(DaemonKind.class);
    private final Map<DaemonKind, DaemonFault> refusals = new EnumMap<>(DaemonKind.class);
    private final Set<DaemonKind> deaf = EnumSet.noneOf(DaemonKind.class);
    private final Set<DaemonKind> needed = EnumSet.of(DaemonKind.PERSISTENCED);
    private final List<String> calls = new ArrayList<>();
    private int nextPid = 700;

    /** The node needs it. */
    FakeDaemons needs(DaemonKind kind) {
        needed.add(kind);
        return this;
    }

    /** It does not come up, or does not end, from now on. */
    void refuse(DaemonKind kind, DaemonFault fault) {
        refusals.put(kind, fault);
    }

    /** It ends only when it is killed. */
    void deaf(DaemonKind kind) {
        deaf.add(kind);
    }

    /** Somebody has started it. */
    ProcessIdentity add(DaemonKind kind) {
        return add(kind, Keeper.SOMEBODY);
    }

    /** It runs in somebody's container. */
    ProcessIdentity addInContainer(DaemonKind kind) {
        return add(kind, Keeper.CONTAINER);
    }

    private ProcessIdentity add(DaemonKind kind, Keeper keeper) {
        ProcessIdentity process = new ProcessIdentity(nextPid++, 10L * nextPid, "/usr/bin/" + kind.program());
        running.put(kind, new Running(process, keeper));
        return process;
    }

    /** What was asked for: {@code start nvidia-persistenced}. */
    List<String> calls() {
        return List.copyOf(calls);
    }

    @Override
    public List<DaemonStatus> observe() {
        List<DaemonStatus> all = new ArrayList<>();
        for (DaemonKind kind : DaemonKind.values()) {
            Optional<Running> found = Optional.ofNullable(running.get(kind));
            all.add(new DaemonStatus(
                    kind,
                    needed.contains(kind),
                    needed.contains(kind) ? "a test needs it" : "no test needs it",
                    found.isPresent() ? State.READY : State.STOPPED,
                    found.map(Running::keeper).orElse(Keeper.NOBODY),
                    found.map(Running::process),
                    0,
                    ""));
        }
        return all;
    }

    @Override
    public void retry() {
        calls.add("retry");
    }

    @Override
    public DaemonOutcome start(DaemonKind kind, StagedDriver driver, Duration limit) {
        calls.add("start " + kind.program());
        if (!needed.contains(kind)) {
            return new DaemonOutcome.NotNeeded("no test needs it");
        }
        Running found = running.get(kind);
        if (found != null) {
            return new DaemonOutcome.Ready(found.process(), found.keeper(), true, Duration.ZERO);
        }
        DaemonFault fault = refusals.get(kind);
        return fault == null
                ? new DaemonOutcome.Ready(add(kind, Keeper.AGENT), Keeper.AGENT, false, Duration.ofMillis(40))
                : new DaemonOutcome.Failed(kind, fault, "as the test has told", List.of());
    }

    @Override
    public DaemonOutcome startAgain(DaemonKind kind, StagedDriver driver, Duration limit) {
        return start(kind, driver, limit);
    }

    @Override
    public DaemonOutcome stop(DaemonKind kind, Duration grace) {
        calls.add("stop " + kind.program());
        if (running.containsKey(kind) && refusals.containsKey(kind)) {
            return new DaemonOutcome.Failed(kind, refusals.get(kind), "as the test has told", List.of());
        }
        boolean already = running.remove(kind) == null;
        boolean killed = !already && deaf.contains(kind);
        return new DaemonOutcome.Gone(already, killed, killed ? grace : Duration.ZERO);
    }
}
