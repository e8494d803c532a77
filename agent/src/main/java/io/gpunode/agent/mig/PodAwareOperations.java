package io.gpunode.agent.mig;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.podresources.PodUse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The operations, with the pods to which the kubelet gave a GPU or an instance among those who use it: a pod holds what it was given from its
 * admission on, long before a process of it can be seen. The kubelet is asked each time: who is not named by an older answer may hold it by now.
 */
final class PodAwareOperations implements MigOperations {
    /** The kubelet answers in milliseconds. */
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(2);

    private final MigOperations inner;
    private final List<Gpu> picture;
    private final PodResourcesSource pods;

    /** @param picture in which the kubelet's device ids are looked up */
    PodAwareOperations(MigOperations inner, List<Gpu> picture, PodResourcesSource pods) {
        this.inner = inner;
        this.picture = List.copyOf(picture);
        this.pods = pods;
    }

    @Override
    public MigGpu read(GpuId gpu) throws MigOperationException, InterruptedException {
        return inner.read(gpu);
    }

    @Override
    public MigUse use(GpuId gpu) throws MigOperationException, InterruptedException {
        // Pods first: they say more to people than the processes in them.
        List<MigUse.Holder> holders = new ArrayList<>(pods(gpu));
        holders.addAll(inner.use(gpu).holders());
        return new MigUse(holders);
    }

    @Override
    public void perform(MigGpu gpu, MigStep step) throws MigOperationException, InterruptedException {
        inner.perform(gpu, step);
    }

    private List<MigUse.Holder> pods(GpuId gpu) throws MigOperationException, InterruptedException {
        Map<String, List<PodUse>> byDevice = switch (pods.ask(ANSWER_LIMIT)) {
            case PodResourcesSource.Answer.Holders(Map<String, List<PodUse>> told) -> told;
            case PodResourcesSource.Answer.NoKubelet _ -> Map.of();
            case PodResourcesSource.Answer.None(String why) ->
                throw new MigOperationException(
                        MigOperationException.Kind.IN_USE,
                        "the kubelet does not say which pods hold " + gpu + " (" + why
                                + "): start it, or wait until it answers");
        };
        DeviceHolders all = new DeviceHolders(picture, byDevice);
        List<MigUse.Holder> holders = new ArrayList<>();
        for (int place = 0; place < picture.size(); place++) {
            if (picture.get(place).id().equals(gpu)) {
                add(holders, all, place);
            }
        }
        return holders;
    }

    private void add(List<MigUse.Holder> holders, DeviceHolders all, int place) {
        Set<Integer> instances = new LinkedHashSet<>();
        for (MigDevice device : picture.get(place).migDevices()) {
            instances.add(device.gpuInstanceId());
        }
        for (PodUse use : all.holders(place)) {
            holders.add(new MigUse.Holder(name(use), -1, -1));
            // Whoever was given the whole GPU in MIG mode may be on any part of it.
            instances.forEach(instance -> holders.add(new MigUse.Holder(name(use), instance, -1)));
        }
        for (int instance : instances) {
            for (PodUse use : all.holders(place, instance)) {
                holders.add(new MigUse.Holder(name(use), instance, -1));
            }
        }
    }

    private static String name(PodUse use) {
        return "pod " + use.namespace() + "/" + use.pod();
    }
}
