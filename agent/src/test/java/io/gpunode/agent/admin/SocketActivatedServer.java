package io.gpunode.agent.admin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** A process that serves the sockets that it was started with, until its standard input ends. */
public final class SocketActivatedServer {
    private SocketActivatedServer() {}

    public static void main(String[] arguments) throws IOException {
        AdminServer server = new AdminServer(
                new AgentConfig.Http(
                        List.of(arguments),
                        arguments.length == 0,
                        "",
                        "",
                        Duration.ofSeconds(10),
                        Duration.ofSeconds(10),
                        16),
                new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
                Page.of(
                        "text/plain",
                        body -> body.write("pid " + ProcessHandle.current().pid() + "\n")),
                Meters.NONE,
                SystemTime.wall());
        server.start();
        server.warmUp();
        while (System.in.read() >= 0) {
            // Nothing is said but the end.
        }
        server.stop(Duration.ofSeconds(5));
    }
}
