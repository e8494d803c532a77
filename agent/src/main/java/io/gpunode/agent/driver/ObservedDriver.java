package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.KernelHeaders;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What of the driver is on this node at one moment, as the kernel and the file system show it.
 *
 * @param kernel the running kernel's release ({@code uname -r})
 * @param architecture {@code x86_64} or {@code aarch64}
 * @param bootId the kernel's id of this boot; empty when it has none
 * @param modules the driver's modules and what depends on them
 * @param running what the loaded {@code nvidia} module says of itself; empty when it is not loaded, or says nothing that could be read
 * @param parameters the module options in force ({@code /proc/driver/nvidia/params}), sorted
 * @param libraries versions of {@code libnvidia-ml.so} under the driver root, highest first; an upgrade that was not finished leaves several
 * @param gpus NVIDIA's display controllers on the PCI bus, in bus order
 * @param nodes the device nodes that the loaded modules should have, and how they are
 * @param nouveau the drivers of the kernel's own that keep NVIDIA's from the GPUs
 * @param security Secure Boot, lockdown and what they mean for modules
 * @param headers the running kernel's headers, for a build
 * @param unreadable what could not be looked at and why, in sentences
 */
public record ObservedDriver(
        String kernel,
        String architecture,
        String bootId,
        ModuleGraph modules,
        Optional<RunningDriver> running,
        Map<String, String> parameters,
        List<DriverVersion> libraries,
        List<BusGpu> gpus,
        List<DriverNode> nodes,
        Nouveau nouveau,
        BootSecurity security,
        KernelHeaders headers,
        List<String> unreadable) {
    /**
     * The driver in the kernel.
     *
     * @param version its version
     * @param type which of the two sets of modules
     */
    public record RunningDriver(DriverVersion version, ModuleType type) {}

    /**
     * A GPU on the bus.
     *
     * @param address where
     * @param device its PCI device id, such as {@code 2330}
     * @param driver the kernel driver that is bound to it, such as {@code nvidia}, {@code nouveau} or {@code vfio-pci}; empty for none
     */
    public record BusGpu(PciAddress address, String device, String driver) {}

    /**
     * A device node.
     *
     * @param path such as {@code /dev/nvidia-uvm}
     * @param major which it should have
     * @param minor which it should have
     * @param state how it is
     */
    public record DriverNode(Path path, int major, int minor, NodeState state) {}

    /** How a device node is. */
    public enum NodeState {
        RIGHT,
        MISSING,
        /** Its numbers are not those of the loaded module: left from an earlier load. */
        STALE,
        /** Something that is no character device is in its place. */
        OTHER
    }

    public ObservedDriver {
        parameters = Collections.unmodifiableSortedMap(new TreeMap<>(parameters));
        libraries = List.copyOf(libraries);
        gpus = List.copyOf(gpus);
        nodes = List.copyOf(nodes);
        unreadable = List.copyOf(unreadable);
    }

    /** Whether any module of the driver is in the kernel. */
    public boolean loaded() {
        return !modules.isEmpty();
    }
}
