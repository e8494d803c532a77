package io.gpunode.agent.metrics;

import io.gpunode.agent.attribution.AttributionPicture;
import io.gpunode.agent.attribution.PodFacts;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.metrics.DeviceSeries.PodLabel;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodUse;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The labels that say who uses a device, for each set of series that the device has. It has one, with what all holders agree on; with virtual GPUs one
 * without holders and another for each share that is held; and each of them once for every batch job on the device. Pure.
 */
final class OwnerLabels {
    /** Names that other labels of series have, or may have. */
    private static final Set<String> OTHERS = Set.of(
            "gpu",
            "UUID",
            "uuid",
            "pci_bus_id",
            "device",
            "modelName",
            "GPU_I_PROFILE",
            "GPU_I_ID",
            "GPU_CI_ID",
            "hostname",
            "Hostname",
            "nvlink",
            "nvswitch",
            "gpu_uuid",
            "model_name",
            "err_code",
            "err_msg",
            "xid",
            "clock_event",
            "window_size_in_ms",
            "health_watch",
            "health_error_code",
            "peer_gpu",
            "link_status",
            "container",
            "namespace",
            "pod",
            "container_name",
            "pod_namespace",
            "pod_name",
            "pod_uid",
            "vgpu",
            "hpc_job",
            "dra_claim_name",
            "dra_claim_namespace",
            "dra_driver_name",
            "dra_pool_name",
            "dra_device_name",
            "dra_mig_profile",
            "dra_mig_device_uuid");

    private static final Comparator<DeviceHolders.Share> ORDER = Comparator.comparing(
                    (DeviceHolders.Share share) -> share.use().namespace())
            .thenComparing(share -> share.use().pod())
            .thenComparing(share -> share.use().container())
            .thenComparingInt(share -> share.replica().length())
            .thenComparing(DeviceHolders.Share::replica);

    private final AgentConfig.Attribution config;
    private final Set<String> taken;

    /** @param labelFields names of the label fields that are shown */
    OwnerLabels(AgentConfig.Attribution config, List<String> labelFields) {
        this.config = config;
        this.taken = new HashSet<>(OTHERS);
        this.taken.addAll(labelFields);
    }

    /** The containers that hold a device, each once, without those that have ended for good. */
    static List<PodUse> holders(List<DeviceHolders.Share> shares, AttributionPicture known) {
        Set<PodUse> holders = new LinkedHashSet<>();
        for (DeviceHolders.Share share : shares) {
            if (!known.facts(share.use()).ended()) {
                holders.add(share.use());
            }
        }
        return List.copyOf(holders);
    }

    /**
     * The labels of each of a device's sets of series; those without any holder first.
     *
     * @param device the GPU's index, or {@code index.instance}
     * @param mig a MIG device of the GPU instance; null for a GPU
     */
    List<List<PodLabel>> of(
            List<DeviceHolders.Share> shares, String device, @Nullable MigDevice mig, AttributionPicture known) {
        List<List<PodLabel>> sets = new ArrayList<>();
        if (config.virtualGpus()) {
            sets.add(List.of());
            List<DeviceHolders.Share> sorted = new ArrayList<>(shares);
            sorted.sort(ORDER);
            for (DeviceHolders.Share share : sorted) {
                if (!known.facts(share.use()).ended()) {
                    sets.add(share(share, mig, known));
                }
            }
        } else {
            sets.add(agreed(holders(shares, known), mig, known));
        }
        List<String> jobs = known.jobs().getOrDefault(device, List.of());
        if (jobs.isEmpty()) {
            return sets;
        }
        List<List<PodLabel>> repeated = new ArrayList<>();
        for (List<PodLabel> labels : sets) {
            for (String job : jobs) {
                List<PodLabel> withJob = new ArrayList<>(labels);
                withJob.add(new PodLabel("hpc_job", job));
                repeated.add(withJob);
            }
        }
        return repeated;
    }

    private List<PodLabel> share(DeviceHolders.Share share, @Nullable MigDevice mig, AttributionPicture known) {
        PodUse use = share.use();
        List<PodLabel> labels = new ArrayList<>();
        add(labels, "container", use.container());
        addPod(labels, use, known.facts(use), true);
        addClaim(labels, use.claim(), mig);
        add(labels, "vgpu", share.replica());
        return labels;
    }

    /** What all holders agree on: a pod only in the same namespace, a container only in the same pod. */
    private List<PodLabel> agreed(List<PodUse> holders, @Nullable MigDevice mig, AttributionPicture known) {
        List<PodLabel> labels = new ArrayList<>();
        if (holders.isEmpty()) {
            return labels;
        }
        PodUse first = holders.getFirst();
        boolean sameNamespace = true;
        boolean samePod = true;
        boolean sameContainer = true;
        for (PodUse holder : holders) {
            sameNamespace &= holder.namespace().equals(first.namespace());
            samePod &= holder.samePod(first);
            sameContainer &= holder.sameContainer(first);
        }
        if (sameContainer) {
            add(labels, "container", first.container());
        }
        if (samePod) {
            addPod(labels, first, known.facts(first), config.podUid());
        } else if (sameNamespace) {
            add(labels, "namespace", first.namespace());
        }
        if (holders.size() == 1) {
            addClaim(labels, first.claim(), mig);
        }
        return labels;
    }

    private void addPod(List<PodLabel> labels, PodUse use, PodFacts facts, boolean uid) {
        add(labels, "namespace", use.namespace());
        add(labels, "pod", use.pod());
        if (uid) {
            add(labels, "pod_uid", facts.uid());
        }
        PodLabelNames.of(facts.labels(), taken).forEach((name, value) -> labels.add(new PodLabel(name, value)));
    }

    private void addClaim(List<PodLabel> labels, PodUse.@Nullable Claim claim, @Nullable MigDevice mig) {
        if (claim == null || !config.claims()) {
            return;
        }
        add(labels, "dra_claim_name", claim.name());
        add(labels, "dra_claim_namespace", claim.namespace());
        add(labels, "dra_driver_name", claim.driver());
        add(labels, "dra_pool_name", claim.pool());
        add(labels, "dra_device_name", claim.device());
        if (mig != null) {
            add(labels, "dra_mig_profile", mig.profile());
            add(labels, "dra_mig_device_uuid", mig.id().uuid());
        }
    }

    /** A container outside of Kubernetes has no pod. */
    private static void add(List<PodLabel> labels, String name, String value) {
        if (!value.isEmpty()) {
            labels.add(new PodLabel(name, value));
        }
    }
}
