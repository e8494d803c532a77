package io.gpunode.agent.assembly;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.OwnerLock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Makes sure that a node has one agent: two would take the device plugin's sockets and each other's files away, in turns. The kernel gives it back when
 * the process ends, however it ends. Where the host's {@code /run} cannot be written, as in some containers, there is none, and that is told.
 */
final class NodeLock implements AutoCloseable {
    static final Path FILE = Path.of("/run/gpu-node-agent/agent.lock");
    private static final Log LOG = Log.of(NodeLock.class);

    private final Optional<OwnerLock> lock;

    private NodeLock(Optional<OwnerLock> lock) {
        this.lock = lock;
    }

    /** @throws IOException when another agent has it; says which and what to do */
    static NodeLock take(HostFiles host) throws IOException {
        Optional<OwnerLock> taken;
        try {
            taken = OwnerLock.take(host, FILE);
        } catch (IOException e) {
            LOG.debug("nothing keeps a second agent from being started on this node", "file", FILE, "error", e);
            return new NodeLock(Optional.empty());
        }
        if (taken.isEmpty()) {
            throw new IOException(
                    "another gpu-node-agent runs on this node ("
                            + OwnerLock.owner(host, FILE)
                            + "), and one is enough: systemctl status gpu-node-agent; to try one beside it: gpu-node-agent simulate");
        }
        return new NodeLock(taken);
    }

    @Override
    public void close() throws IOException {
        if (lock.isPresent()) {
            lock.get().close();
        }
    }
}
