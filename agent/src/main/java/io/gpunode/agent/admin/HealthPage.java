package io.gpunode.agent.admin;

import io.gpunode.agent.lifecycle.Heartbeats;
import java.util.List;

/**
 * {@code /healthz}: whether every loop of the process turns within its bound; 503 names the late ones. A restart is the cure for what it shows, so it
 * says nothing about GPUs, the driver or the kubelet.
 */
final class HealthPage implements Page {
    private final Heartbeats heartbeats;

    HealthPage(Heartbeats heartbeats) {
        this.heartbeats = heartbeats;
    }

    @Override
    public String contentType() {
        return AdminServer.PLAIN_TEXT;
    }

    @Override
    public int write(Body body) {
        List<Heartbeats.Pulse> pulses = heartbeats.read();
        boolean ok = true;
        StringBuilder text = new StringBuilder();
        for (Heartbeats.Pulse pulse : pulses) {
            ok &= pulse.ok();
            text.append(pulse.name())
                    .append(pulse.ok() ? ": ok, turned " : ": LATE, last turned ")
                    .append(pulse.age().toMillis())
                    .append(" ms ago, bound ")
                    .append(pulse.bound().toMillis())
                    .append(" ms\n");
        }
        body.write((ok ? "ok\n" : "not ok\n") + text);
        return ok ? 200 : 503;
    }
}
