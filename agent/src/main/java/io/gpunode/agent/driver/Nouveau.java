package io.gpunode.agent.driver;

import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.os.LoadedModule;
import java.util.List;

/**
 * The kernel's own drivers for NVIDIA's GPUs, nouveau and nova: while one is bound to a GPU, NVIDIA's driver does not get it.
 *
 * @param modules those that are loaded, with what depends on them; leaves first
 * @param bound GPUs that they are bound to
 * @param consoles virtual consoles that are drawn on a framebuffer of one of them, as names under {@code /sys/class/vtconsole}
 * @param blacklisted whether modprobe's configuration or the kernel's command line keeps them out at the next boot
 */
public record Nouveau(List<LoadedModule> modules, List<PciAddress> bound, List<String> consoles, boolean blacklisted) {
    /** None of it. */
    public static final Nouveau ABSENT = new Nouveau(List.of(), List.of(), List.of(), true);

    public Nouveau {
        modules = List.copyOf(modules);
        bound = List.copyOf(bound);
        consoles = List.copyOf(consoles);
    }

    /** Whether NVIDIA's driver cannot have its GPUs because of it. */
    public boolean inTheWay() {
        return !bound.isEmpty();
    }
}
