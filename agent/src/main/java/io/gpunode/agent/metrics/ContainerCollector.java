package io.gpunode.agent.metrics;

import io.gpunode.agent.attribution.GpuShare;
import io.gpunode.agent.attribution.GpuUser;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Gpu.ProcessUtilization;
import io.gpunode.agent.model.NodeSnapshot;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/** What the processes of each container take of each GPU, under names of the agent's own. The values of a GPU add up to those of all its processes. */
final class ContainerCollector implements Collector {
    private final boolean podUid;

    /** @param podUid whether the pod's UID is a label, also where its name is known */
    ContainerCollector(boolean podUid) {
        this.podUid = podUid;
    }

    @Override
    public String name() {
        return "containers";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        List<GpuShare> shares = asShown(scrape.attribution().shares());
        if (shares.isEmpty()) {
            return;
        }
        NodeSnapshot snapshot = scrape.snapshot();
        utilization(OwnMetric.CONTAINER_DECODER_UTILIZATION, ProcessUtilization::decoder, shares, snapshot, out);
        utilization(OwnMetric.CONTAINER_ENCODER_UTILIZATION, ProcessUtilization::encoder, shares, snapshot, out);
        boolean begun = false;
        for (int i = 0; i < shares.size(); i++) {
            GpuShare share = shares.get(i);
            if (share.usedBytes().isPresent()) {
                begun = begin(OwnMetric.CONTAINER_MEMORY_USED_BYTES, begun, share, snapshot, out);
                out.value(share.usedBytes().getAsLong());
            }
        }
        utilization(OwnMetric.CONTAINER_MEMORY_UTILIZATION, ProcessUtilization::memory, shares, snapshot, out);
        begun = false;
        for (int i = 0; i < shares.size(); i++) {
            begun = begin(OwnMetric.CONTAINER_PROCESSES, begun, shares.get(i), snapshot, out);
            out.value(shares.get(i).processes());
        }
        utilization(OwnMetric.CONTAINER_SM_UTILIZATION, ProcessUtilization::sm, shares, snapshot, out);
    }

    /**
     * Adds up what has the same labels: the pods before and after one of a StatefulSet was made anew, where the UID that tells them apart is no label.
     * Shares are in the order of their labels, the UID last.
     */
    private List<GpuShare> asShown(List<GpuShare> shares) {
        List<GpuShare> addedUp = null;
        for (int i = 1; i < shares.size(); i++) {
            boolean same = looksLike(shares.get(i - 1), shares.get(i));
            if (same && addedUp == null) {
                addedUp = new ArrayList<>(shares.subList(0, i));
            }
            if (addedUp != null) {
                addedUp.add(same ? addedUp.removeLast().plus(shares.get(i)) : shares.get(i));
            }
        }
        return addedUp == null ? shares : addedUp;
    }

    private boolean looksLike(GpuShare one, GpuShare other) {
        GpuUser user = one.user();
        GpuUser with = other.user();
        return one.gpuInstanceId() == other.gpuInstanceId()
                && one.gpu().equals(other.gpu())
                && user.kind() == with.kind()
                && user.container().equals(with.container())
                && user.namespace().equals(with.namespace())
                && user.pod().equals(with.pod())
                && (!showsUid(user) || user.podUid().equals(with.podUid()));
    }

    private boolean showsUid(GpuUser user) {
        return podUid || user.pod().isEmpty();
    }

    private void utilization(
            OwnMetric metric,
            ToIntFunction<ProcessUtilization> part,
            List<GpuShare> shares,
            NodeSnapshot snapshot,
            ExpositionWriter out) {
        boolean begun = false;
        for (int i = 0; i < shares.size(); i++) {
            ProcessUtilization utilization = shares.get(i).utilization();
            if (utilization != null) {
                begun = begin(metric, begun, shares.get(i), snapshot, out);
                out.thousandths(part.applyAsInt(utilization) * 10L);
            }
        }
    }

    /** Begins a series, and its family where it is the first. */
    private boolean begin(
            OwnMetric metric, boolean begun, GpuShare share, NodeSnapshot snapshot, ExpositionWriter out) {
        if (!begun) {
            out.family(metric);
        }
        GpuUser user = share.user();
        out.series(metric)
                .firstLabel(
                        "gpu",
                        snapshot.gpu(share.gpu()).map(ContainerCollector::index).orElse(""))
                .label("UUID", share.gpu().uuid());
        if (share.gpuInstanceId() >= 0) {
            out.label("GPU_I_ID", String.valueOf(share.gpuInstanceId()));
        }
        out.label("owner", user.kind().text());
        label("container", user.container(), out);
        label("namespace", user.namespace(), out);
        label("pod", user.pod(), out);
        if (showsUid(user)) {
            label("pod_uid", user.podUid(), out);
        }
        out.endLabels();
        return true;
    }

    private static String index(Gpu gpu) {
        return String.valueOf(gpu.index());
    }

    private static void label(String name, String value, ExpositionWriter out) {
        if (!value.isEmpty()) {
            out.label(name, value);
        }
    }
}
