package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.podresources.DeviceNames;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.podresources.PodUse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The operations, with the pods to which the kubelet gave a GPU or an instance among those who use it: a pod holds what it was given from its
 * admission on, long before a process of it can be seen. The kubelet is asked each time: who is not named by an older answer may hold it by now.
 */
public final class PodAwareOperations implements MigOperations {
    /** The kubelet answers in milliseconds. */
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(2);

    private final MigOperations inner;
    private final PodResourcesSource pods;

    public PodAwareOperations(MigOperations inner, PodResourcesSource pods) {
        this.inner = inner;
        this.pods = pods;
    }

    @Override
    public MigGpu read(GpuId gpu) throws MigOperationException, InterruptedException {
        return inner.read(gpu);
    }

    @Override
    public MigUse use(GpuId gpu) throws MigOperationException, InterruptedException {
        Map<String, List<PodUse>> byDevice = switch (pods.ask(ANSWER_LIMIT)) {
            case PodResourcesSource.Answer.Holders(Map<String, List<PodUse>> told) -> told;
            case PodResourcesSource.Answer.NoKubelet _ -> Map.of();
            case PodResourcesSource.Answer.None(String why) ->
                throw new MigOperationException(
                        MigOperationException.Kind.IN_USE,
                        "the kubelet does not say which pods hold " + gpu + " (" + why
                                + "): start it, or wait until it answers");
        };
        // Asked after the kubelet: what it gave out before is among what there is.
        MigUse use = inner.use(gpu);
        // Pods first: they say more to people than the processes in them.
        List<MigUse.Holder> holders = new ArrayList<>(pods(byDevice, use.names()));
        holders.addAll(use.holders());
        return new MigUse(holders, use.names());
    }

    @Override
    public void perform(MigGpu gpu, MigStep step) throws MigOperationException, InterruptedException {
        inner.perform(gpu, step);
    }

    private static Set<MigUse.Holder> pods(Map<String, List<PodUse>> byDevice, Map<String, Integer> names) {
        Set<MigUse.Holder> holders = new LinkedHashSet<>();
        for (String id : new TreeSet<>(byDevice.keySet())) {
            Integer instance = names.get(DeviceNames.key(id));
            if (instance == null) {
                continue;
            }
            for (PodUse use : byDevice.getOrDefault(id, List.of())) {
                String pod = "pod " + use.namespace() + "/" + use.pod();
                holders.add(new MigUse.Holder(pod, instance, -1));
                if (instance < 0) {
                    // Whoever was given the whole GPU in MIG mode may be on any part of it.
                    names.values().forEach(part -> holders.add(new MigUse.Holder(pod, part, -1)));
                }
            }
        }
        return holders;
    }
}
