package io.gpunode.agent.os;

import java.time.Duration;
import java.util.Optional;

/** Nobody listens: the process was not started by systemd as a notifying service. */
enum SilentNotifier implements SystemdNotifier {
    INSTANCE;

    @Override
    public void ready() {}

    @Override
    public void reloading() {}

    @Override
    public void stopping() {}

    @Override
    public void status(String text) {}

    @Override
    public void watchdog() {}

    @Override
    public Optional<Duration> watchdogInterval() {
        return Optional.empty();
    }
}
