package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * One GPU as MIG sees it: what it can be split into and what it is split into, read at one moment by {@link MigReader}.
 *
 * @param id {@code GPU-…}
 * @param index its place in PCI order, which is what configuration files count by
 * @param pci its address
 * @param name product name
 * @param pciDeviceId device and vendor as {@code nvmlPciInfo_t.pciDeviceId} has them: {@code 0x233010DE}
 * @param pciSubsystemId the same of the board
 * @param architecture NVML's number: 7 Ampere, 9 Hopper, 10 Blackwell; absent where the driver cannot tell
 * @param passThrough whether a virtual machine has the GPU whole: there a reset may need the machine to be restarted; unsupported where the
 *     driver cannot tell
 * @param geometry how it is split; unsupported when this GPU has no MIG
 * @param profiles what it can be split into, in the order of their constants; unsupported when this GPU has no MIG, failed when the driver
 *     tells nothing, as some do while MIG is off
 */
public record MigGpu(
        GpuId id,
        int index,
        PciAddress pci,
        String name,
        int pciDeviceId,
        int pciSubsystemId,
        OptionalInt architecture,
        Reading<Boolean> passThrough,
        Reading<MigGeometry> geometry,
        Reading<List<MigProfile>> profiles) {
    /** {@code NVML_DEVICE_ARCH_AMPERE}. */
    private static final int AMPERE = 7;

    /** For messages: its index and its UUID. */
    String label() {
        return "GPU " + index + " (" + id + ")";
    }

    /** Whether the GPU has MIG at all. */
    public boolean capable() {
        return !(geometry instanceof Reading.Unsupported);
    }

    /**
     * Whether a change of the mode needs a reset of the GPU (Ampere), which NVML does in the same call when nobody holds the GPU; later chips need
     * none. Also where the driver cannot tell the architecture, since then it is old.
     */
    public boolean modeNeedsReset() {
        return architecture.orElse(AMPERE) <= AMPERE;
    }

    /** The profile that a text names, in our spelling or the driver's; compute prefixes such as {@code 1c.} are not part of it. */
    public Optional<MigProfile> profileCalled(String text) {
        return profiles.asOptional().orElse(List.of()).stream()
                .filter(profile -> profile.isCalled(text))
                .findFirst();
    }

    /** The profile with this id on this GPU. */
    public Optional<MigProfile> profile(int id) {
        return profiles.asOptional().orElse(List.of()).stream()
                .filter(profile -> profile.id() == id)
                .findFirst();
    }
}
