package io.gpunode.agent.admin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** A process that listens, with a web configuration if its argument names one, answers one request and ends. */
public final class PlainServer {
    private PlainServer() {}

    public static void main(String[] arguments) throws IOException {
        AdminServer server = new AdminServer(
                new AgentConfig.Http(
                        List.of("127.0.0.1:0"),
                        false,
                        "",
                        arguments.length > 0 ? arguments[0] : "",
                        Duration.ofSeconds(10),
                        Duration.ofSeconds(10),
                        16),
                new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
                Page.of("text/plain", body -> body.write("up 1\n")),
                Meters.NONE,
                SystemTime.wall());
        server.start();
        server.warmUp();
        server.stop(Duration.ofSeconds(5));
    }
}
