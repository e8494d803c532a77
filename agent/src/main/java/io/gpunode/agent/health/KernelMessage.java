package io.gpunode.agent.health;

import io.gpunode.agent.model.PciAddress;
import java.util.Optional;
import java.util.OptionalInt;

/** What a line of the kernel's log says about GPUs and NVSwitches. */
sealed interface KernelMessage {
    /**
     * {@code NVRM: Xid (PCI:0000:65:00 GPU-I:02 GPU-CI:00): 94, pid=…}.
     *
     * @param pci without its function: 0
     * @param fatal whether the line calls it fatal, as those of NVLink 5 may:
     *     {@code NVRM: Xid (PCI:0018:01:00): 145, RLW_REMAP Fatal XC0 i0 Link 13 (…)}
     */
    record Xid(PciAddress pci, long number, OptionalInt gpuInstance, OptionalInt computeInstance, boolean fatal)
            implements KernelMessage {}

    /**
     * {@code nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 24007, Fatal, Link 30 sourcetrack timeout error}.
     *
     * @param fatal whether the driver calls it fatal
     * @param detail what follows the number, cut to a length
     */
    record SwitchXid(PciAddress pci, long number, boolean fatal, String detail) implements KernelMessage {}

    /** {@code … has fallen off the bus}, which comes with XID 79 or without it. */
    record FallenOffBus(PciAddress pci) implements KernelMessage {}

    /**
     * {@code NVRM: GPU 0000:03:00.0: rm_init_adapter failed, device minor number 0}: the driver could not start a GPU, so NVML does not list
     * it.
     *
     * @param pci absent with older drivers
     * @param minor absent when the line does not tell
     */
    record InitFailed(Optional<PciAddress> pci, OptionalInt minor) implements KernelMessage {}
}
