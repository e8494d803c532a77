package io.gpunode.agent.driver;

import io.gpunode.agent.os.Systemd;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A systemd with the units that a test gives it; not there until it has one. */
final class FakeSystemd implements Systemd {
    /** What happens to a unit that is started or stopped. */
    @FunctionalInterface
    interface Change {
        Unit now(Unit before, boolean start);
    }

    private final Map<String, Unit> units = new HashMap<>();
    private final Map<String, Change> changes = new HashMap<>();
    private final List<String> calls = new ArrayList<>();
    private final List<Integer> apart = new ArrayList<>();
    private List<String> messages = List.of();
    private boolean present;
    private boolean hanging;
    private boolean silent;

    /** It is there. */
    FakeSystemd onThisHost() {
        present = true;
        return this;
    }

    /** It is there and has such a unit. */
    FakeSystemd unit(String name, String active, String file, int mainPid, Change change) {
        units.put(
                name,
                new Unit(name, "loaded", active, file, mainPid, active.equals("failed") ? "exit-code" : "success"));
        changes.put(name, change);
        return onThisHost();
    }

    /** Every job hangs; questions are answered. */
    void hang() {
        hanging = true;
    }

    /** Nothing is answered. */
    void silent() {
        silent = true;
    }

    void says(String... lines) {
        messages = List.of(lines);
    }

    /** {@code start nvidia-persistenced.service}. */
    List<String> calls() {
        return List.copyOf(calls);
    }

    /** The processes that were put into scopes. */
    List<Integer> apart() {
        return List.copyOf(apart);
    }

    @Override
    public boolean present() {
        return present;
    }

    @Override
    public Unit unit(String name) throws UnansweredException {
        check(silent);
        return units.getOrDefault(name, new Unit(name, "not-found", "inactive", "", 0, "success"));
    }

    @Override
    public void change(String name, boolean start, Duration limit) throws UnansweredException {
        calls.add((start ? "start " : "stop ") + name);
        check(silent || hanging);
        Unit unit = units.get(name);
        if (unit != null) {
            units.put(name, Objects.requireNonNull(changes.get(name)).now(unit, start));
        }
    }

    @Override
    public void setApart(int pid, String name, String description) throws UnansweredException {
        check(silent);
        apart.add(pid);
    }

    @Override
    public List<String> messages(String unitOrProgram, Duration age, int count) {
        return messages;
    }

    private void check(boolean fails) throws UnansweredException {
        if (!present || fails) {
            throw new UnansweredException("no answer in time");
        }
    }
}
