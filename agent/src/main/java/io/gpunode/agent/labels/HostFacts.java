package io.gpunode.agent.labels;

import io.gpunode.agent.model.Reading;
import java.util.Optional;

/**
 * What labels tell of the host beside its GPUs' picture. Read by {@link HostFactsReader}.
 *
 * @param machine the machine's type as the host tells it; {@link #UNKNOWN_MACHINE} where it does not
 * @param gpu whether there is an NVIDIA GPU on the PCI bus, whoever drives it
 * @param vgpu the virtual GPU, when this is a virtual machine that has one, the last by PCI address; failed where the PCI configuration spaces
 *     cannot be read in full, as by a process that is not root
 */
public record HostFacts(String machine, Reading<Boolean> gpu, Reading<Optional<Vgpu>> vgpu) {
    /** What a machine is that does not tell its type. */
    public static final String UNKNOWN_MACHINE = "unknown";

    /** Nobody has looked. */
    public static final HostFacts NONE =
            new HostFacts(UNKNOWN_MACHINE, new Reading.NotRead<>(), new Reading.NotRead<>());

    /**
     * A virtual GPU. Both texts come from the hypervisor's driver, which tells both or none.
     *
     * @param hostDriverVersion for example {@code 550.90.05}; empty when it is not told
     * @param hostDriverBranch for example {@code r550_00}; empty when it is not told
     */
    public record Vgpu(String hostDriverVersion, String hostDriverBranch) {}
}
