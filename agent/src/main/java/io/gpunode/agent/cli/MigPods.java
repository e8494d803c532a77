package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodResourcesSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Which pods hold GPUs, for a command that changes MIG. A kubelet that runs has to answer. One that was stopped cannot, and is no hindrance: hooks
 * files of nvidia-mig-parted stop it before a change; that its pods are not known is then said once.
 */
final class MigPods implements PodResourcesSource, AutoCloseable {
    private final Path socket;
    private final Optional<KubeletHolders> holders;
    private final Consumer<String> warning;
    private boolean warned;

    private MigPods(Path socket, Optional<KubeletHolders> holders, Consumer<String> warning) {
        this.socket = socket;
        this.holders = holders;
        this.warning = warning;
    }

    /** @param warning told in words when the pods are not known */
    static MigPods open(AgentConfig config, Consumer<String> warning) throws InterruptedException {
        Path socket = config.kubelet().podResourcesSocket();
        return new MigPods(
                socket, UnixSockets.isListening(socket) ? KubeletHolders.open(config) : Optional.empty(), warning);
    }

    @Override
    public Optional<PodResourcesPicture> current() {
        return holders.flatMap(found -> found.source().current());
    }

    @Override
    public Answer ask(Duration limit) throws InterruptedException {
        if (holders.isPresent() && UnixSockets.isListening(socket)) {
            return holders.get().source().ask(limit);
        }
        if (!warned && Files.exists(socket)) {
            warned = true;
            warning.accept("the kubelet does not run (nobody listens on " + socket
                    + "): processes that use the GPUs are known, pods are not");
        }
        return new Answer.NoKubelet();
    }

    @Override
    public void close() {
        holders.ifPresent(KubeletHolders::close);
    }
}
