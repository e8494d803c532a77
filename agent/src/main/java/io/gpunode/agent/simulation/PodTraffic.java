package io.gpunode.agent.simulation;

import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Pods that come and go on a simulated node, so that a demonstration has something to show: each is admitted by the embedded kubelet, puts a
 * workload on the GPUs that it was given, and ends after a while. The same seed gives the same pods. Its loop owns the list.
 */
public final class PodTraffic implements Service {
    private static final Log LOG = Log.of(PodTraffic.class);
    private static final Duration BETWEEN_STEPS = Duration.ofSeconds(3);
    private static final Duration BOUND = Duration.ofSeconds(60);

    private static final List<String> NAMESPACES = List.of("research", "inference", "ci");
    private static final List<String> KINDS = List.of("train", "infer");
    private static final List<Integer> SIZES = List.of(1, 1, 2, 2, 4);

    private record Pod(String namespace, String name, List<String> devices, int stepsLeft) {}

    private final EmbeddedKubelet kubelet;
    private final NvmlSimulator simulator;
    private final Random random;
    private final DutyCycle loop;
    private final Map<String, Pod> pods = new HashMap<>();
    private int count;

    /** @param seed of names, sizes and life times */
    public PodTraffic(SimulatedNode node, Heartbeats heartbeats, long seed) {
        this.kubelet = node.kubelet();
        this.simulator = node.simulator();
        this.random = new Random(seed);
        this.loop = new DutyCycle("pod-traffic", BOUND, heartbeats, this::turn);
    }

    @Override
    public String name() {
        return loop.name();
    }

    @Override
    public void start() {
        loop.start();
    }

    @Override
    public void stop(Duration limit) throws Exception {
        loop.stop(limit);
    }

    /** One step: some pods end, one may come. */
    Duration turn() throws InterruptedException {
        for (Pod pod : List.copyOf(pods.values())) {
            if (pod.stepsLeft() == 0) {
                end(pod);
            } else {
                pods.put(pod.name(), new Pod(pod.namespace(), pod.name(), pod.devices(), pod.stepsLeft() - 1));
            }
        }
        int free = kubelet.devices().values().stream()
                        .mapToInt(DeviceList::allocatable)
                        .sum()
                - pods.values().stream().mapToInt(pod -> pod.devices().size()).sum();
        int size = SIZES.get(random.nextInt(SIZES.size()));
        if (size <= free && random.nextInt(4) > 0) {
            begin(size);
        }
        return BETWEEN_STEPS;
    }

    private void begin(int size) throws InterruptedException {
        String namespace = NAMESPACES.get(random.nextInt(NAMESPACES.size()));
        String kind = KINDS.get(random.nextInt(KINDS.size()));
        String name = kind + "-" + ++count;
        int steps = 4 + random.nextInt(12);
        switch (kubelet.runPod(namespace, name, "main", size)) {
            case Admission.Admitted(List<String> ids, var _) -> {
                pods.put(name, new Pod(namespace, name, ids, steps));
                workload(ids, kind);
                LOG.debug("a pod runs", "pod", namespace + "/" + name, "gpus", ids);
            }
            case Admission.Refused(String message) ->
                LOG.info("a pod was refused", "pod", namespace + "/" + name, "error", message);
        }
    }

    private void end(Pod pod) {
        kubelet.endPod(pod.namespace(), pod.name());
        workload(pod.devices(), "idle");
        pods.remove(pod.name());
    }

    private void workload(List<String> devices, String kind) {
        StringBuilder rules = new StringBuilder();
        for (SimulatedProfile.Gpu gpu : simulator.profile().gpus()) {
            if (devices.contains(gpu.uuid())) {
                rules.append("workload gpu=")
                        .append(gpu.number())
                        .append(" kind=")
                        .append(kind)
                        .append('\n');
            }
        }
        simulator.apply(rules.toString());
    }
}
