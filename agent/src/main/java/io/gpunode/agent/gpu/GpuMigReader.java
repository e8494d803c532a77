package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlMig;
import io.gpunode.nvml.NvmlMig.GpuInstanceProfile;
import io.gpunode.nvml.NvmlReturn;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Reads what GPUs can be split into and how they are split, on one lane. Changes nothing. */
final class GpuMigReader {
    private static final String MIG = "MIG ";
    /** {@code NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH}. */
    private static final int PASS_THROUGH = 1;

    private final Nvml nvml;
    private final Lane lane;

    GpuMigReader(Nvml nvml, Lane lane) {
        this.nvml = nvml;
        this.lane = lane;
    }

    /** Every GPU that NVML lists, in its order. */
    List<GpuMig> read() throws NvmlException {
        int count = call("nvmlDeviceGetCount", nvml::deviceCount);
        List<GpuMig> gpus = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int index = i;
            gpus.add(read(call("nvmlDeviceGetHandleByIndex", () -> nvml.deviceByIndex(index))));
        }
        return List.copyOf(gpus);
    }

    /** One GPU. */
    GpuMig read(NvmlDevice handle) throws NvmlException {
        GpuId id = new GpuId(call("nvmlDeviceGetUUID", () -> nvml.uuid(handle)));
        NvmlDevice device = handle.named(id.uuid());
        Nvml.PciInfo pci = call("nvmlDeviceGetPciInfo", () -> nvml.pciInfo(device));
        String name = reading("nvmlDeviceGetName", () -> IdentityReader.printable(nvml.name(device)))
                .asOptional()
                .orElse("unknown");
        Reading<Integer> architecture = reading("nvmlDeviceGetArchitecture", () -> nvml.architecture(device));
        Reading<Nvml.Mode> mode = reading("nvmlDeviceGetMigMode", () -> nvml.migMode(device));
        List<MigGeometry.GpuInstance> instances = new ArrayList<>();
        Reading<List<MigProfile>> profiles = switch (mode) {
            case Reading.Value<Nvml.Mode>(Nvml.Mode now) -> profiles(device, now.current(), instances);
            case Reading.Unsupported<Nvml.Mode>(String why) -> new Reading.Unsupported<>(why);
            case Reading.Failed<Nvml.Mode>(String why) -> new Reading.Failed<>(why);
            case Reading.NotRead<Nvml.Mode> _ -> new Reading.NotRead<>();
        };
        Reading<MigGeometry> geometry = switch (mode) {
            case Reading.Value<Nvml.Mode>(Nvml.Mode now)
            when now.current() && profiles instanceof Reading.Failed<List<MigProfile>>(String why) ->
                new Reading.Failed<>(why);
            case Reading.Value<Nvml.Mode>(Nvml.Mode now) ->
                Reading.of(new MigGeometry(now.current(), now.pending(), instances));
            case Reading.Unsupported<Nvml.Mode>(String why) -> new Reading.Unsupported<>(why);
            case Reading.Failed<Nvml.Mode>(String why) -> new Reading.Failed<>(why);
            case Reading.NotRead<Nvml.Mode> _ -> new Reading.NotRead<>();
        };
        return new GpuMig(
                id,
                new PciAddress(pci.domain(), pci.bus(), pci.device(), 0),
                name,
                pci.deviceId(),
                pci.subsystemId(),
                architecture.asOptional().map(OptionalInt::of).orElse(OptionalInt.empty()),
                reading("nvmlDeviceGetVirtualizationMode", () -> nvml.virtualizationMode(device) == PASS_THROUGH),
                geometry,
                profiles);
    }

    /** The profiles, and on the way the instances of each, which are added. */
    private Reading<List<MigProfile>> profiles(
            NvmlDevice device, boolean enabled, List<MigGeometry.GpuInstance> instances) {
        try {
            List<MigProfile> profiles = listed(device, enabled, instances);
            if (profiles.isEmpty()) {
                return new Reading.Failed<>(
                        "the driver lists no GPU instance profiles" + (enabled ? "" : " while MIG is off"));
            }
            return Reading.of(profiles);
        } catch (NvmlException e) {
            return new Reading.Failed<>(answer(e));
        } catch (IllegalArgumentException e) {
            return new Reading.Failed<>("the driver tells what cannot be: " + e.getMessage());
        }
    }

    private List<MigProfile> listed(NvmlDevice device, boolean enabled, List<MigGeometry.GpuInstance> instances)
            throws NvmlException {
        NvmlMig mig = nvml.mig();
        List<GpuInstanceProfile> told =
                call("nvmlDeviceGetGpuInstanceProfileInfo", () -> mig.gpuInstanceProfiles(device));
        long gpuMemory =
                call("nvmlDeviceGetMemoryInfo", () -> nvml.memory(device)).total();
        List<MigProfile> profiles = new ArrayList<>(told.size());
        for (GpuInstanceProfile profile : told) {
            List<NvmlMig.Placement> places = call(
                    "nvmlDeviceGetGpuInstancePossiblePlacements",
                    () -> mig.gpuInstancePlacements(device, profile.id()));
            if (places.isEmpty()) {
                continue;
            }
            List<MigProfile.Compute> computeProfiles = MigProfiles.usualComputeProfiles(profile.slices());
            List<NvmlMig.GpuInstance> present = enabled
                    ? call("nvmlDeviceGetGpuInstances", () -> mig.gpuInstances(device, profile.id()))
                    : List.of();
            if (!present.isEmpty()) {
                // Those of one profile are alike, and some drivers take their time for each call.
                computeProfiles =
                        computeProfiles(mig, device, present.getFirst().id());
            }
            for (NvmlMig.GpuInstance instance : present) {
                instances.add(instance(mig, device, instance, computeProfiles));
            }
            String name = MigProfiles.text(
                    profile.slices(),
                    profile.slices(),
                    profile.memoryMiB(),
                    gpuMemory,
                    MigProfiles.attributes(profile.id(), told));
            profiles.add(new MigProfile(
                    profile.constant(),
                    profile.id(),
                    name,
                    driverName(profile),
                    profile.slices(),
                    profile.instances(),
                    new MigAttributes(
                            profile.multiprocessors(),
                            profile.copyEngines(),
                            profile.decoders(),
                            profile.encoders(),
                            profile.jpeg(),
                            profile.ofa()),
                    profile.memoryMiB(),
                    placements(places),
                    computeProfiles));
        }
        return List.copyOf(profiles);
    }

    private static String driverName(GpuInstanceProfile profile) {
        String name = IdentityReader.printable(profile.name());
        return name.startsWith(MIG) ? name.substring(MIG.length()) : name;
    }

    private List<MigProfile.Compute> computeProfiles(NvmlMig mig, NvmlDevice device, int gpuInstance)
            throws NvmlException {
        List<MigProfile.Compute> profiles = new ArrayList<>();
        for (NvmlMig.ComputeInstanceProfile profile : call(
                "nvmlGpuInstanceGetComputeInstanceProfileInfo",
                () -> mig.computeInstanceProfiles(device, gpuInstance))) {
            List<NvmlMig.Placement> places = call(
                    "nvmlGpuInstanceGetComputeInstancePossiblePlacements",
                    () -> mig.computeInstancePlacements(device, gpuInstance, profile.id()));
            profiles.add(
                    new MigProfile.Compute(profile.id(), profile.slices(), profile.instances(), placements(places)));
        }
        profiles.sort(Comparator.comparingInt(MigProfile.Compute::slices).thenComparingInt(MigProfile.Compute::id));
        return profiles;
    }

    private MigGeometry.GpuInstance instance(
            NvmlMig mig, NvmlDevice device, NvmlMig.GpuInstance instance, List<MigProfile.Compute> profiles)
            throws NvmlException {
        // A driver may list one under each profile of its size.
        Map<Integer, MigGeometry.ComputeInstance> computeInstances = new LinkedHashMap<>();
        for (MigProfile.Compute profile : profiles) {
            for (NvmlMig.ComputeInstance compute : call(
                    "nvmlGpuInstanceGetComputeInstances",
                    () -> mig.computeInstances(device, instance.id(), profile.id()))) {
                computeInstances.putIfAbsent(
                        compute.id(),
                        new MigGeometry.ComputeInstance(
                                compute.id(), compute.profileId(), profile.slices(), placement(compute.placement())));
            }
        }
        return new MigGeometry.GpuInstance(
                instance.id(),
                instance.profileId(),
                placement(instance.placement()),
                List.copyOf(computeInstances.values()));
    }

    private static List<MigPlacement> placements(List<NvmlMig.Placement> told) {
        return told.stream().map(GpuMigReader::placement).toList();
    }

    private static MigPlacement placement(NvmlMig.Placement told) {
        return new MigPlacement(told.start(), told.size());
    }

    private <T> T call(String function, Lane.NativeCall<T> call) throws NvmlException {
        return lane.call(CallGroup.IDENTITY, function, call);
    }

    private <T> Reading<T> reading(String function, Lane.NativeCall<T> call) {
        try {
            return Reading.of(call(function, call));
        } catch (NvmlException e) {
            String why = answer(e);
            return ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED
                    ? new Reading.Unsupported<>(why)
                    : new Reading.Failed<>(why);
        }
    }

    private static String answer(NvmlException failure) {
        return failure.function() + " answers " + NvmlReturn.nameOf(failure.code());
    }
}
