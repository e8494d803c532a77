package io.gpunode.agent.attribution;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.Gpu.ProcessUtilization;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What each user takes of each GPU: adds up what the driver says of processes. Every process counts once, also one of which nobody knows whose it is. */
final class ProcessSplit {
    private static final Comparator<GpuShare> ORDER = Comparator.comparingInt(GpuShare::gpuInstanceId)
            .thenComparing(share -> share.user().kind())
            .thenComparing(share -> share.user().namespace())
            .thenComparing(share -> share.user().pod())
            .thenComparing(share -> share.user().container())
            .thenComparing(share -> share.user().podUid());

    private record Key(int gpuInstanceId, GpuUser user) {}

    /** What is added up for one user. */
    private static final class Sum {
        private int processes;
        private long bytes;
        private boolean bytesTold;
        private int[] utilization = new int[4];
        private boolean utilizationTold;

        private void add(ProcessUse process) {
            processes++;
            if (process.usedBytes().isPresent()) {
                bytes += process.usedBytes().getAsLong();
                bytesTold = true;
            }
            ProcessUtilization busy = process.utilization();
            if (busy != null) {
                utilization[0] += busy.sm();
                utilization[1] += busy.memory();
                utilization[2] += busy.encoder();
                utilization[3] += busy.decoder();
                utilizationTold = true;
            }
        }

        private GpuShare share(GpuId gpu, Key key) {
            return new GpuShare(
                    gpu,
                    key.gpuInstanceId,
                    key.user,
                    processes,
                    bytesTold ? OptionalLong.of(bytes) : OptionalLong.empty(),
                    utilizationTold
                            ? new ProcessUtilization(utilization[0], utilization[1], utilization[2], utilization[3])
                            : null);
        }
    }

    /** Who holds a device without having processes on it. */
    interface Holders {
        /** @param gpuInstanceId -1 for the GPU as a whole */
        List<GpuUser> of(int gpuPlace, int gpuInstanceId);
    }

    private ProcessSplit() {}

    /**
     * Splits.
     *
     * @param user whose a process is
     * @param holders get a share of nothing where they have no process, so that an idle holder shows as one
     */
    static List<GpuShare> of(List<Gpu> gpus, Function<ProcessUse, GpuUser> user, Holders holders) {
        List<GpuShare> shares = new ArrayList<>();
        for (int place = 0; place < gpus.size(); place++) {
            Gpu gpu = gpus.get(place);
            if (gpu.processes() instanceof Reading.Value<List<ProcessUse>>(List<ProcessUse> processes)) {
                Map<Key, Sum> sums = new HashMap<>();
                boolean utilization = !gpu.migEnabled();
                for (ProcessUse process : processes) {
                    sums.computeIfAbsent(new Key(process.gpuInstanceId(), user.apply(process)), _ -> new Sum())
                            .add(process);
                    utilization &= process.utilization() != null;
                }
                List<GpuShare> ofGpu = new ArrayList<>();
                sums.forEach((key, sum) -> ofGpu.add(sum.share(gpu.id(), key)));
                addIdle(ofGpu, gpu, place, holders, utilization ? ProcessUtilization.IDLE : null);
                ofGpu.sort(ORDER);
                shares.addAll(ofGpu);
            }
        }
        return List.copyOf(shares);
    }

    private static void addIdle(
            List<GpuShare> shares, Gpu gpu, int place, Holders holders, @Nullable ProcessUtilization idle) {
        List<Integer> instances = new ArrayList<>();
        instances.add(-1);
        gpu.migDevices().forEach(mig -> {
            if (!instances.contains(mig.gpuInstanceId())) {
                instances.add(mig.gpuInstanceId());
            }
        });
        for (int instance : instances) {
            for (GpuUser holder : holders.of(place, instance)) {
                if (shares.stream().noneMatch(share -> mayBe(share, instance, holder))) {
                    shares.add(new GpuShare(gpu.id(), instance, holder, 0, OptionalLong.of(0), idle));
                }
            }
        }
    }

    /** A pod whose name is not known may be the one that holds the device. */
    private static boolean mayBe(GpuShare share, int instance, GpuUser holder) {
        GpuUser user = share.user();
        return share.gpuInstanceId() == instance
                && user.kind() == holder.kind()
                && ((user.pod().isEmpty() && !holder.pod().isEmpty())
                        || (user.namespace().equals(holder.namespace())
                                && user.pod().equals(holder.pod())
                                && user.container().equals(holder.container())));
    }
}
