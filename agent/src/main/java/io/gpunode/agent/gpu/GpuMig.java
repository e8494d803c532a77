package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import java.util.List;
import java.util.OptionalInt;

/**
 * What NVML tells of one GPU's MIG at one moment.
 *
 * @param id {@code GPU-…}
 * @param pci its address
 * @param name product name
 * @param pciDeviceId device and vendor: {@code 0x233010DE}
 * @param pciSubsystemId the same of the board
 * @param architecture NVML's number, 9 is Hopper; absent where the driver cannot tell
 * @param passThrough whether a virtual machine has the GPU whole; unsupported where the driver cannot tell
 * @param geometry how it is split; unsupported when the GPU has no MIG
 * @param profiles what it can be split into, in the order of their constants; unsupported when the GPU has no MIG, failed when the driver tells
 *     nothing
 */
public record GpuMig(
        GpuId id,
        PciAddress pci,
        String name,
        int pciDeviceId,
        int pciSubsystemId,
        OptionalInt architecture,
        Reading<Boolean> passThrough,
        Reading<MigGeometry> geometry,
        Reading<List<MigProfile>> profiles) {}
