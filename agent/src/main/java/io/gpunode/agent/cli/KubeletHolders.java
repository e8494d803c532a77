package io.gpunode.agent.cli;

import io.gpunode.agent.assembly.KubeletPods;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.KubeletWord;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.podresources.PodResourcesClient;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Which pods hold GPUs as the kubelet says, where it can be asked; for a command that runs for a while. */
final class KubeletHolders implements AutoCloseable {
    private static final Duration INTERVAL = Duration.ofSeconds(1);
    private static final Duration FIRST_ANSWER = Duration.ofSeconds(2);
    private static final Duration STOP_LIMIT = Duration.ofSeconds(2);

    private final EventLoops loops;
    private final PodResourcesClient client;

    private KubeletHolders(EventLoops loops, PodResourcesClient client) {
        this.loops = loops;
        this.client = client;
    }

    /** Begins to ask, and waits for a first answer for a moment; empty where there is no socket. */
    static Optional<KubeletHolders> open(AgentConfig config) throws InterruptedException {
        if (!Files.exists(config.kubelet().podResourcesSocket())) {
            return Optional.empty();
        }
        EventLoops loops = EventLoops.open("pod-resources");
        KubeletHolders opened = new KubeletHolders(
                loops,
                new PodResourcesClient(
                        config.kubelet().podResourcesSocket(),
                        INTERVAL,
                        loops,
                        SystemTime.monotonic(),
                        SystemTime.wall(),
                        new Heartbeats(SystemTime.monotonic()),
                        Meters.NONE));
        opened.client.start();
        CountDownLatch never = new CountDownLatch(1);
        for (long waited = 0; waited < FIRST_ANSWER.toMillis(); waited += 20) {
            if (opened.client.current().isPresent()
                    || !opened.client.error().isEmpty()
                    || never.await(20, TimeUnit.MILLISECONDS)) {
                break;
            }
        }
        return Optional.of(opened);
    }

    /** For one who asks at that moment. */
    PodResourcesSource source() {
        return client;
    }

    /** As of the last answer, unless one that came due since is missing. */
    KubeletWord word() {
        return KubeletPods.word(client);
    }

    @Override
    public void close() {
        try {
            client.stop(STOP_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception e) {
            // It ends with the process.
        } finally {
            loops.close();
        }
    }
}
