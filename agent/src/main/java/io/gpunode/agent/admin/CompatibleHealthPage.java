package io.gpunode.agent.admin;

/**
 * {@code /health} as dcgm-exporter answers it: 200 with {@code OK} and its two headers, whatever the GPUs do. Configurations are changed here while
 * pages go on being answered, so it never tells of a reload. {@link HealthPage} and {@link ReadyPage} say how things really are.
 */
final class CompatibleHealthPage implements Page {
    @Override
    public String contentType() {
        return AdminServer.PLAIN_TEXT;
    }

    @Override
    public int write(Body body) {
        body.header("x-registry-available", "true");
        body.header("x-reload-in-progress", "false");
        body.write("OK");
        return 200;
    }
}
