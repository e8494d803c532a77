package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.testing.Snapshots;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;

/** Lists of shares and MIG devices for tests of placement: GPUs as in {@link Snapshots}, half of them on each NUMA node. */
final class Lists {
    private Lists() {}

    /** Each GPU shared. */
    static AdvertisedDevices shares(int gpus, int replicas) {
        List<AdvertisedDevice> list = new ArrayList<>();
        for (int gpu = 0; gpu < gpus; gpu++) {
            for (int share = 0; share < replicas; share++) {
                list.add(device(gpus, gpu, Snapshots.id(gpu), share(gpu, share), ""));
            }
        }
        return list("nvidia.com/gpu.shared", list);
    }

    /** Each GPU divided into MIG devices. */
    static AdvertisedDevices mig(int gpus, int devices) {
        List<AdvertisedDevice> list = new ArrayList<>();
        for (int gpu = 0; gpu < gpus; gpu++) {
            for (int i = 0; i < devices; i++) {
                list.add(device(gpus, gpu, new GpuId(mig(gpu, i, devices)), mig(gpu, i, devices), ""));
            }
        }
        return list("nvidia.com/mig-1g.10gb", list);
    }

    /** The same list under a policy. */
    static AdvertisedDevices under(AllocationPolicy policy, AdvertisedDevices devices) {
        return new AdvertisedDevices(devices.resource(), "", devices.devices(), devices.scores(), rules(policy));
    }

    /** The same list with one device withheld. */
    static AdvertisedDevices withheld(AdvertisedDevices devices, String id) {
        List<AdvertisedDevice> list = new ArrayList<>(devices.devices());
        int place = devices.placeOf(id);
        list.set(place, list.get(place).withheld("broken"));
        return list(devices.resource(), list);
    }

    static List<String> ids(AdvertisedDevices devices) {
        return devices.devices().stream().map(AdvertisedDevice::id).toList();
    }

    static String share(int gpu, int share) {
        return Snapshots.uuid(gpu) + "::" + share;
    }

    /** The {@code i}-th device of a GPU; the number in its id counts through the node. */
    static String mig(int gpu, int i, int devicesOfEach) {
        return String.format(Locale.ROOT, "MIG-6f1e2a30-8b00-4c1d-9a7e-%012x", gpu * devicesOfEach + i);
    }

    private static AdvertisedDevices list(String resource, List<AdvertisedDevice> list) {
        return new AdvertisedDevices(resource, "", list, PairScores.NONE, rules(AllocationPolicy.DISTRIBUTED));
    }

    private static AdvertisedDevice device(int gpus, int gpu, GpuId base, String id, String problem) {
        return new AdvertisedDevice(
                id,
                base,
                Snapshots.id(gpu),
                Integer.toString(gpu),
                gpu,
                List.of(),
                new PciAddress(0, 0x10 + gpu, 0, 0),
                OptionalInt.of(2 * gpu < gpus ? 0 : 1),
                problem);
    }

    private static AllocationRules rules(AllocationPolicy policy) {
        AllocationRules none = AllocationRules.NONE;
        return new AllocationRules(
                none.strategies(),
                none.idStrategy(),
                none.annotationPrefix(),
                none.oneShareOnly(),
                policy,
                none.environment(),
                none.channels(),
                none.cdiNames(),
                none.passNodes(),
                none.controlNodes(),
                none.channelNodes(),
                none.nodeRoot(),
                none.withheld(),
                none.problems());
    }
}
