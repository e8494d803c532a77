package io.gpunode.agent.admin;

import java.util.List;

/** {@code /readyz}: whether the node may be given GPU work; 503 says for each condition why not. */
final class ReadyPage implements Page {
    private final List<ReadinessCheck> checks;

    ReadyPage(List<ReadinessCheck> checks) {
        this.checks = checks;
    }

    @Override
    public String contentType() {
        return AdminServer.PLAIN_TEXT;
    }

    @Override
    public int write(Body body) {
        Readiness readiness = Readiness.ask(checks);
        StringBuilder text = new StringBuilder(readiness.ready() ? "ready\n" : "not ready\n");
        for (Readiness.Named named : readiness.conditions()) {
            text.append(named.name())
                    .append(named.condition().ok() ? ": yes, " : ": NO, ")
                    .append(named.condition().reason())
                    .append('\n');
            if (!named.condition().nextStep().isEmpty()) {
                text.append("  next step: ")
                        .append(named.condition().nextStep())
                        .append('\n');
            }
        }
        body.write(text.toString());
        return readiness.ready() ? 200 : 503;
    }
}
