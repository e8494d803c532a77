package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A way to the API server for one thing that a person wants done with the node, beside the agent or without it, with the same credentials. For one
 * thread, which waits for the end.
 */
public final class NodeSession implements AutoCloseable {
    private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

    private final ApiClient api;
    private final String node;
    private final NodeDrain drain;
    private final Consumer<String> told;
    private final RandomGenerator random;
    private final InstantSource wall;

    private NodeSession(
            ApiClient api,
            String node,
            NodeDrain drain,
            Consumer<String> told,
            RandomGenerator random,
            InstantSource wall) {
        this.api = api;
        this.node = node;
        this.drain = drain;
        this.told = told;
        this.random = random;
        this.wall = wall;
    }

    /**
     * Finds credentials; nothing is sent yet.
     *
     * @param version the agent's own
     * @param asked the node that a person named; empty for the one of the credentials, else {@code host.nodeName}
     * @param environment of this process
     * @param own files as this process sees them
     * @param host the host's files
     * @param kubelet its word on which pods hold GPUs; must not block
     * @param told hears what happens, a line each
     * @throws IOException when there are none, or none that can be used; the message has the next step
     * @throws OtherNodeException when they are those of another node's kubelet than the one asked for
     */
    public static NodeSession open(
            AgentConfig config,
            String version,
            Optional<String> asked,
            Map<String, String> environment,
            HostFiles own,
            HostFiles host,
            Supplier<KubeletWord> kubelet,
            Consumer<String> told,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random)
            throws IOException, OtherNodeException {
        Optional<ApiAccess> access;
        try {
            access = new AccessSearch(config.kubernetes(), environment, own, host).find();
        } catch (AccessException e) {
            throw new IOException(e.getMessage(), e);
        }
        if (access.isEmpty()) {
            throw new IOException(
                    "there is no kubeconfig, no service account and no kubelet's credentials; run it as root on the node, or"
                            + " name a kubeconfig with --kubeconfig FILE");
        }
        ApiClient api = new ApiClient(
                access.get(), "gpu-node-agent/" + version, new RequestMeters(Meters.NONE, clock), ApiClient.CALL_LIMIT);
        Optional<String> kubelets = api.nodeName();
        if (kubelets.isPresent() && asked.isPresent() && !kubelets.get().equals(asked.get())) {
            api.close();
            throw new OtherNodeException(asked.get(), kubelets.get());
        }
        NodeDrain drain = new NodeDrain(GpuResources.of(config), kubelet, told, clock, wall, random, () -> {});
        return new NodeSession(api, kubelets.orElse(config.host().nodeName()), drain, told, random, wall);
    }

    /**
     * {@link NodeDraining#drain}, until it has ended.
     *
     * @throws IOException when the server was not reached at all
     * @throws InterruptedException when the thread was; what was begun can be gone on with, or undone
     */
    public DrainProgress drain(DrainOrder order) throws IOException, InterruptedException {
        drain.drain(order);
        return end();
    }

    /** {@link NodeDraining#uncordon}, until it has ended; throws as {@link #drain}. */
    public DrainProgress uncordon(boolean dryRun) throws IOException, InterruptedException {
        drain.uncordon(dryRun);
        return end();
    }

    /** Lifts a cordon that a change of the driver has made, and no other; else as {@link #uncordon}. */
    public DrainProgress uncordonOfTheDriver() throws IOException, InterruptedException {
        drain.uncordon(Cordon.BY_THE_DRIVER);
        return end();
    }

    /** {@link NodeDraining#look}, until it has ended; throws as {@link #drain}. */
    public DrainProgress look() throws IOException, InterruptedException {
        drain.look();
        return end();
    }

    /** How far it has come. Any thread. */
    public DrainProgress progress() {
        return drain.progress();
    }

    /**
     * Asks for one of the cluster's slots for driver upgrades, or keeps the one that the node has.
     *
     * @param slots how many there are, more than zero
     * @param time after which it is free by itself
     * @throws IOException when the server was not reached, or does not answer as one
     */
    public UpgradeTurn takeUpgradeSlot(int slots, String namespace, Duration time)
            throws IOException, InterruptedException {
        return switch (new UpgradeSlots(slots, namespace, wall).take(api, node, time)) {
            case UpgradeSlots.Answer.Taken _ -> UpgradeTurn.MINE;
            case UpgradeSlots.Answer.Full(List<String> holders) ->
                new UpgradeTurn(
                        false,
                        false,
                        "it waits for its turn: " + (slots == 1 ? "the slot" : "all " + slots + " slots")
                                + " of driver.upgrade.slots " + (slots == 1 ? "is" : "are") + " taken"
                                + (holders.isEmpty() ? "" : " by " + String.join(", ", holders))
                                + ". See them: kubectl get leases -n " + namespace + " -l " + UpgradeSlots.LABEL);
            case UpgradeSlots.Answer.Refused(String verb, ApiAnswer answer) ->
                new UpgradeTurn(
                        false,
                        // One that was too slow for its answer may have written it down.
                        answer.status() >= 500,
                        "the API server refused to " + verb + " leases of " + namespace + ": " + answer.reason()
                                + nextStep(namespace, answer));
        };
    }

    private static String nextStep(String namespace, ApiAnswer answer) {
        return switch (answer.status()) {
            case ApiAnswer.FORBIDDEN ->
                "; allow the verbs list, create and patch on the resource leases of coordination.k8s.io there"
                        + " (docs/kubernetes.md has the role)";
            case ApiAnswer.NOT_FOUND -> "; driver.upgrade.slotNamespace must be a namespace that exists";
            case ApiAnswer.CONFLICT ->
                "; a lease of that name without the label " + UpgradeSlots.LABEL
                        + " is not counted, delete it: kubectl get leases -n " + namespace;
            default -> "";
        };
    }

    /**
     * Gives the node's slots back.
     *
     * @return what could not be given back and why; empty when all was
     * @throws IOException as {@link #takeUpgradeSlot}
     */
    public List<String> releaseUpgradeSlot(String namespace) throws IOException, InterruptedException {
        return new UpgradeSlots(0, namespace, wall).release(api, node);
    }

    /**
     * Sets a label of the Node object.
     *
     * @param value null takes it away
     * @param manager in whose name
     * @throws IOException when that was not done
     */
    public void label(String key, @Nullable String value, String manager) throws IOException, InterruptedException {
        ApiAnswer answer = api.patchInBrief(
                "/api/v1/nodes/" + node + "?fieldManager=" + manager,
                "application/merge-patch+json",
                JsonWriter.compact()
                        .beginObject()
                        .name("metadata")
                        .beginObject()
                        .name("labels")
                        .beginObject()
                        .member(key, value)
                        .endObject()
                        .endObject()
                        .endObject()
                        .toString());
        if (!answer.ok()) {
            throw new IOException("the API server refused to patch nodes: " + answer.reason()
                    + (answer.status() == ApiAnswer.FORBIDDEN
                            ? "; allow the verb patch on the resource nodes (docs/kubernetes.md has the role)"
                            : ""));
        }
    }

    private DrainProgress end() throws IOException, InterruptedException {
        Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, random);
        CountDownLatch never = new CountDownLatch(1);
        boolean reached = false;
        String toldTrouble = "";
        while (true) {
            Duration pause;
            try {
                pause = drain.turn(api, node);
                reached = true;
                pauses.reset();
            } catch (UnreachableException e) {
                if (!reached) {
                    throw e;
                }
                pause = pauses.next();
            } catch (IOException e) {
                pause = pauses.next();
            }
            DrainProgress progress = drain.progress();
            if (progress.ended()) {
                return progress;
            }
            if (!progress.trouble().equals(toldTrouble)) {
                toldTrouble = progress.trouble();
                if (!toldTrouble.isEmpty()) {
                    told.accept("trying again: " + toldTrouble);
                }
            }
            if (pause.isPositive() && never.await(pause.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new IllegalStateException("nobody counts this down");
            }
        }
    }

    @Override
    public void close() {
        api.close();
    }
}
