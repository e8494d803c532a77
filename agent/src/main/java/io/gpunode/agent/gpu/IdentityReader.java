package io.gpunode.agent.gpu;

import io.gpunode.agent.model.BoardText;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlMig.GpuInstanceProfile;
import io.gpunode.nvml.NvmlReturn;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads what a GPU is, call by call, on its lane. UUID, PCI address and minor number must be there, since nothing can be advertised without
 * them; everything else may be absent.
 */
final class IdentityReader {
    private static final Pattern UUID = Pattern.compile("(GPU|MIG)-[0-9A-Za-z/-]{1,90}");
    private static final int NAME_LIMIT = 96;
    /** More compute instances than any GPU has. */
    private static final int MIG_DEVICE_LIMIT = 64;

    /** By the number of {@code nvmlBrandType_t}, as nvidia-smi writes them. */
    private static final List<String> BRANDS = List.of(
            "Unknown",
            "Quadro",
            "Tesla",
            "NVS",
            "GRID",
            "GeForce",
            "Titan",
            "NVIDIA vApps",
            "NVIDIA vPC",
            "NVIDIA vCS",
            "NVIDIA RTX vWS",
            "NVIDIA Cloud Gaming",
            "Quadro RTX",
            "NVIDIA RTX",
            "NVIDIA",
            "GeForce RTX",
            "Titan RTX");

    private final Nvml nvml;
    private final Lane lane;
    /** Of the GPU that was read last: they do not change while it is in MIG mode. */
    private @Nullable GpuId profilesOf;

    private List<GpuInstanceProfile> profiles = List.of();

    /** What the GPU that was read last said of itself; neither changes, so that a call that failed takes nothing away. */
    private @Nullable Told told;

    IdentityReader(Nvml nvml, Lane lane) {
        this.nvml = nvml;
        this.lane = lane;
    }

    private record Told(GpuId id, String name, OptionalLong memoryBytes) {}

    /**
     * A GPU, its handle under its own name, and the handles of its MIG devices in their order.
     *
     * @param migPlaces how many MIG devices it could have; 0 when MIG is off, -1 when it has no MIG
     */
    record Identified(GpuIdentity identity, NvmlDevice device, List<NvmlDevice> migDevices, int migPlaces) {}

    /**
     * @param texts those of the board that are wanted
     * @throws IdentityRefused when the GPU answers something that cannot be its identity
     */
    Identified read(int index, NvmlDevice handle, Set<BoardText> texts) throws NvmlException, IdentityRefused {
        GpuId id = id(call("nvmlDeviceGetUUID", () -> nvml.uuid(handle)));
        NvmlDevice device = handle.named(id.uuid());
        PciAddress pci = address(call("nvmlDeviceGetPciInfo", () -> nvml.pciInfo(device)));
        int minor = call("nvmlDeviceGetMinorNumber", () -> nvml.minorNumber(device));
        Told before = told != null && told.id.equals(id) ? told : new Told(id, "unknown", OptionalLong.empty());
        String name = reading("nvmlDeviceGetName", () -> printable(nvml.name(device)))
                .asOptional()
                .orElse(before.name);
        Reading<Nvml.MemoryInfo> memory = reading("nvmlDeviceGetMemoryInfo", () -> nvml.memory(device));
        OptionalLong memoryBytes =
                memory.asOptional().map(info -> OptionalLong.of(info.total())).orElse(before.memoryBytes);
        told = new Told(id, name, memoryBytes);
        Reading<Integer> architecture = reading("nvmlDeviceGetArchitecture", () -> nvml.architecture(device));
        Reading<Boolean> migMode =
                reading("nvmlDeviceGetMigMode", () -> nvml.migMode(device).current());
        List<GpuIdentity.Mig> migDevices = new ArrayList<>();
        List<NvmlDevice> migHandles = new ArrayList<>();
        int migPlaces = migMode instanceof Reading.Unsupported<Boolean> ? -1 : 0;
        if (migMode.asOptional().orElse(false)) {
            migPlaces = Math.min(
                    MIG_DEVICE_LIMIT, call("nvmlDeviceGetMaxMigDeviceCount", () -> nvml.maxMigDeviceCount(device)));
            readMigDevices(device, migPlaces, memoryBytes.orElse(0), migDevices, migHandles);
        }
        GpuIdentity identity = new GpuIdentity(
                id,
                index,
                minor,
                pci,
                name,
                reading("nvmlDeviceGetSerial", () -> printable(nvml.serial(device))),
                reading("nvmlDeviceGetVbiosVersion", () -> printable(nvml.vbiosVersion(device))),
                reading("nvmlDeviceGetCudaComputeCapability", () -> {
                    Nvml.ComputeCapability capability = nvml.computeCapability(device);
                    return capability.major() + "." + capability.minor();
                }),
                architecture.asOptional().map(OptionalInt::of).orElse(OptionalInt.empty()),
                memoryBytes,
                reading("nvmlDeviceGetPersistenceMode", () -> nvml.persistenceMode(device)),
                migMode,
                migDevices,
                fabric(device),
                texts(device, texts));
        return new Identified(identity, device, List.copyOf(migHandles), migPlaces);
    }

    private void readMigDevices(
            NvmlDevice device, int places, long gpuMemoryBytes, List<GpuIdentity.Mig> devices, List<NvmlDevice> handles)
            throws NvmlException, IdentityRefused {
        for (int place = 0; place < places; place++) {
            int index = place;
            try {
                NvmlDevice handle = call("nvmlDeviceGetMigDeviceHandleByIndex", () -> nvml.migDevice(device, index));
                GpuId id = id(call("nvmlDeviceGetUUID", () -> nvml.uuid(handle)));
                NvmlDevice mig = handle.named(id.uuid());
                int gpuInstance = call("nvmlDeviceGetGpuInstanceId", () -> nvml.gpuInstanceId(mig));
                int computeInstance = call("nvmlDeviceGetComputeInstanceId", () -> nvml.computeInstanceId(mig));
                Nvml.MigAttributes attributes = call("nvmlDeviceGetAttributes", () -> nvml.migAttributes(mig));
                int profileId = reading("nvmlGpuInstanceGetInfo", () -> nvml.gpuInstanceProfileId(device, gpuInstance))
                        .asOptional()
                        .orElse(-1);
                devices.add(new GpuIdentity.Mig(
                        id,
                        index,
                        gpuInstance,
                        computeInstance,
                        MigProfiles.text(
                                attributes.computeInstanceSlices(),
                                attributes.gpuInstanceSlices(),
                                attributes.memoryMiB(),
                                gpuMemoryBytes,
                                MigProfiles.attributes(profileId, profiles(device))),
                        attributes.gpuInstanceSlices(),
                        attributes.computeInstanceSlices(),
                        attributes.memoryMiB(),
                        new MigAttributes(
                                attributes.multiprocessors(),
                                attributes.sharedCopyEngines(),
                                attributes.sharedDecoders(),
                                attributes.sharedEncoders(),
                                attributes.sharedJpeg(),
                                attributes.sharedOfa())));
                handles.add(mig);
            } catch (NvmlException e) {
                // An empty place, or an instance that was destroyed between two calls.
                if (ReturnMeaning.of(e.code()) != ReturnMeaning.UNSUPPORTED) {
                    throw e;
                }
            }
        }
    }

    private List<GpuInstanceProfile> profiles(NvmlDevice device) {
        GpuId owner = new GpuId(device.label());
        if (!owner.equals(profilesOf)) {
            Reading<List<GpuInstanceProfile>> read = reading(
                    "nvmlDeviceGetGpuInstanceProfileInfo", () -> nvml.mig().gpuInstanceProfiles(device));
            profiles = read.asOptional().orElse(List.of());
            profilesOf = read instanceof Reading.Value ? owner : null;
        }
        return profiles;
    }

    /** The wanted texts that the board has. */
    private Map<BoardText, String> texts(NvmlDevice device, Set<BoardText> wanted) {
        if (wanted.isEmpty()) {
            return Map.of();
        }
        Map<BoardText, String> texts = new EnumMap<>(BoardText.class);
        for (BoardText text : wanted) {
            text(device, text).asOptional().ifPresent(value -> texts.put(text, value));
        }
        return texts;
    }

    private Reading<String> text(NvmlDevice device, BoardText text) {
        return switch (text) {
            case BRAND -> reading("nvmlDeviceGetBrand", () -> BRANDS.get(brand(nvml.brand(device))));
            case INFOROM_IMAGE_VERSION ->
                reading("nvmlDeviceGetInforomImageVersion", () -> printable(nvml.inforomImageVersion(device)));
            case INFOROM_OEM_VERSION -> inforom(device, 0);
            case INFOROM_ECC_VERSION -> inforom(device, 1);
            case INFOROM_POWER_VERSION -> inforom(device, 2);
        };
    }

    /** A number behind the known ones is of a brand that is not known yet. */
    private static int brand(int number) {
        return number > 0 && number < BRANDS.size() ? number : 0;
    }

    private Reading<String> inforom(NvmlDevice device, int object) {
        return reading("nvmlDeviceGetInforomVersion", () -> printable(nvml.inforomVersion(device, object)));
    }

    private Reading<Gpu.FabricState> fabric(NvmlDevice device) {
        return switch (reading("nvmlDeviceGetGpuFabricInfo", () -> nvml.fabricInfo(device))) {
            case Reading.Value<Nvml.FabricInfo>(Nvml.FabricInfo info) ->
                info.state() == 0
                        ? new Reading.Unsupported<>("not on an NVSwitch fabric")
                        : Reading.of(FabricStates.of(info));
            case Reading.Unsupported<Nvml.FabricInfo>(String why) -> new Reading.Unsupported<>(why);
            case Reading.Failed<Nvml.FabricInfo>(String why) -> new Reading.Failed<>(why);
            case Reading.NotRead<Nvml.FabricInfo> _ -> new Reading.NotRead<>();
        };
    }

    private <T> T call(String function, Lane.NativeCall<T> call) throws NvmlException {
        return lane.call(CallGroup.IDENTITY, function, call);
    }

    private <T> Reading<T> reading(String function, Lane.NativeCall<T> call) {
        try {
            return Reading.of(call(function, call));
        } catch (NvmlException e) {
            String name = NvmlReturn.nameOf(e.code());
            return ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED
                    ? new Reading.Unsupported<>(name)
                    : new Reading.Failed<>(name);
        }
    }

    private static GpuId id(String uuid) throws IdentityRefused {
        if (!UUID.matcher(uuid).matches()) {
            throw new IdentityRefused("NVML gives it the UUID \"" + printable(uuid) + "\", which is not one");
        }
        return new GpuId(uuid);
    }

    private static PciAddress address(Nvml.PciInfo info) throws IdentityRefused {
        try {
            return new PciAddress(info.domain(), info.bus(), info.device(), 0);
        } catch (IllegalArgumentException e) {
            throw new IdentityRefused("NVML gives it an impossible PCI address: " + e.getMessage());
        }
    }

    /** Text from the library goes into labels, logs and terminals: what is not printable becomes {@code ?}, and it has a bound. */
    static String printable(String text) {
        StringBuilder clean = new StringBuilder(Math.min(text.length(), NAME_LIMIT));
        for (int i = 0; i < text.length() && clean.length() < NAME_LIMIT; i++) {
            char c = text.charAt(i);
            clean.append(c >= ' ' && c < 0x7f ? c : '?');
        }
        return clean.toString().strip();
    }

    /** A GPU answered something that cannot be its identity. */
    static final class IdentityRefused extends Exception {
        private static final long serialVersionUID = 1L;

        IdentityRefused(String message) {
            super(message);
        }
    }
}
