package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver.SourceKind;
import io.gpunode.agent.driver.ObservedDriver.BusGpu;
import io.gpunode.agent.driver.ObservedDriver.DriverNode;
import io.gpunode.agent.driver.ObservedDriver.NodeState;
import io.gpunode.agent.driver.ObservedDriver.RunningDriver;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.LoadedModule;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Something about a node's driver that a person should know.
 *
 * @param text what; begins in lower case and has no full stop
 * @param next what to do about it; empty when there is nothing to do
 */
public record DriverRemark(String text, String next) {
    private static final String LOAD = "gpu-node-agent driver load";

    /**
     * What there is to say of a node: where it differs from what is wanted, and what is in the way. Pure.
     *
     * @param wish what is wanted
     * @return the most important first; empty when all is well
     */
    public static List<DriverRemark> of(ObservedDriver observed, DriverWish wish) {
        List<DriverRemark> remarks = new ArrayList<>();
        driver(observed, wish, remarks);
        modules(observed, wish.settings(), remarks);
        gpus(observed, remarks);
        nodes(observed, remarks);
        nouveau(observed, remarks);
        building(observed, wish.settings(), remarks);
        observed.unreadable().forEach(text -> remarks.add(new DriverRemark(text, "run it as root on the node")));
        return remarks;
    }

    private static void driver(ObservedDriver observed, DriverWish wish, List<DriverRemark> remarks) {
        if (observed.modules().find(ModuleGraph.CORE).isEmpty()) {
            if (!observed.gpus().isEmpty()) {
                remarks.add(new DriverRemark("the driver is not loaded", LOAD));
            }
            return;
        }
        if (observed.running().isEmpty()) {
            remarks.add(new DriverRemark(
                    "the loaded driver does not say which version it is", "see /proc/driver/nvidia/version"));
            return;
        }
        RunningDriver running = observed.running().get();
        DriverVersion version = running.version();
        if (!wish.accepts(version)) {
            remarks.add(new DriverRemark(
                    "version " + version + " is loaded and " + wish.settings().version() + " is wanted",
                    "gpu-node-agent driver upgrade"));
        }
        ModuleType wanted = wish.type(version);
        if (!wish.types(version).contains(running.type())) {
            remarks.add(new DriverRemark(
                    "the " + running.type().text() + " kernel modules are loaded and the " + wanted.text()
                            + " ones are wanted",
                    "gpu-node-agent driver upgrade, or set driver.kernelModuleType"));
        }
        if (!observed.libraries().isEmpty() && !observed.libraries().contains(version)) {
            remarks.add(new DriverRemark(
                    "version " + version + " is loaded and the libraries are of "
                            + String.join(
                                    ", ",
                                    observed.libraries().stream()
                                            .map(DriverVersion::text)
                                            .toList())
                            + ": an upgrade was not finished",
                    "gpu-node-agent driver upgrade, or reboot"));
        }
    }

    private static void modules(ObservedDriver observed, AgentConfig.Driver settings, List<DriverRemark> remarks) {
        ModuleGraph modules = observed.modules();
        for (LoadedModule module : modules.unsettled()) {
            remarks.add(new DriverRemark(
                    "module " + module.name() + " is "
                            + (module.phase() == LoadedModule.Phase.COMING ? "still starting" : "still on its way out"),
                    "see dmesg; when it stays so, its code hangs in the kernel and only a reboot frees it"));
        }
        for (LoadedModule module : modules.foreign()) {
            remarks.add(new DriverRemark(
                    "module " + module.name() + " uses the driver and is not a part of it: the driver is not unloaded"
                            + " while it is there",
                    "find out whose it is (modinfo " + module.name() + "), stop what needs it, then: rmmod "
                            + module.name()));
        }
        String version =
                modules.find(ModuleGraph.CORE).map(LoadedModule::version).orElse("");
        for (LoadedModule module : modules.modules()) {
            if (module.name().startsWith("nvidia_")
                    && !module.name().equals("nvidia_fs")
                    && !module.version().isEmpty()
                    && !version.isEmpty()
                    && !module.version().equals(version)) {
                remarks.add(new DriverRemark(
                        "module " + module.name() + " is of version " + module.version() + " and nvidia of " + version,
                        "gpu-node-agent driver upgrade"));
            }
        }
        if (modules.find(ModuleGraph.CORE).isPresent()) {
            for (String other : settings.modules().others()) {
                String name = DriverTarget.kernelName(other);
                if (modules.find(name).isEmpty()) {
                    remarks.add(
                            new DriverRemark("module " + name + " is wanted (driver.modules) and not loaded", LOAD));
                }
            }
        }
    }

    private static void gpus(ObservedDriver observed, List<DriverRemark> remarks) {
        if (observed.gpus().isEmpty()) {
            remarks.add(new DriverRemark(
                    "there is no NVIDIA GPU on the PCI bus", "lspci -d 10de: (is it passed through to this VM?)"));
        }
        boolean loaded = observed.modules().find(ModuleGraph.CORE).isPresent();
        for (BusGpu gpu : observed.gpus()) {
            if (gpu.driver().isEmpty() && loaded) {
                remarks.add(new DriverRemark(
                        "no driver holds GPU " + gpu.address(), "dmesg | grep -i -e nvrm -e " + gpu.address()));
            } else if (!gpu.driver().isEmpty()
                    && !gpu.driver().equals(ModuleGraph.CORE)
                    && !observed.nouveau().bound().contains(gpu.address())) {
                remarks.add(new DriverRemark(
                        "the driver " + gpu.driver() + " holds GPU " + gpu.address(),
                        "stop what uses it through that driver first (a virtual machine, a container), else the next line hangs;"
                                + " then give it back: echo " + gpu.address() + " > /sys/bus/pci/drivers/"
                                + gpu.driver() + "/unbind"));
            }
        }
    }

    /** All that are in one way wrong in one remark: after a load without the agent it is every one. */
    private static void nodes(ObservedDriver observed, List<DriverRemark> remarks) {
        for (NodeState state : List.of(NodeState.MISSING, NodeState.STALE, NodeState.OTHER)) {
            List<DriverNode> wrong = observed.nodes().stream()
                    .filter(node -> node.state() == state)
                    .toList();
            if (!wrong.isEmpty()) {
                DriverNode first = wrong.getFirst();
                String which =
                        first.path() + (wrong.size() == 1 ? "" : " and " + (wrong.size() - 1) + " more device nodes");
                boolean one = wrong.size() == 1;
                String how = switch (state) {
                    case MISSING -> one ? " is missing" : " are missing";
                    case STALE -> (one ? " has" : " have") + " the numbers of an earlier load";
                    case OTHER, RIGHT -> one ? " is no character device" : " are no character devices";
                };
                remarks.add(new DriverRemark(
                        which + how,
                        LOAD
                                + (one
                                        ? ", or: rm -f " + first.path() + "; mknod -m 666 " + first.path() + " c "
                                                + first.major() + " " + first.minor()
                                        : "")));
            }
        }
    }

    private static void nouveau(ObservedDriver observed, List<DriverRemark> remarks) {
        Nouveau nouveau = observed.nouveau();
        if (nouveau.inTheWay()) {
            remarks.add(new DriverRemark(
                    "the kernel's own driver (" + name(nouveau) + ") holds "
                            + (nouveau.bound().size() == 1
                                    ? "GPU " + nouveau.bound().getFirst()
                                    : nouveau.bound().size() + " GPUs")
                            + ": NVIDIA's does not get "
                            + (nouveau.bound().size() == 1 ? "it" : "them"),
                    LOAD + " unloads it where that is possible"));
        } else if (!nouveau.blacklisted() && !observed.gpus().isEmpty()) {
            remarks.add(new DriverRemark(
                    "nouveau is not kept out: it may take the GPUs at the next boot",
                    "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/nouveau.conf, then rebuild the"
                            + " initial RAM disk (update-initramfs -u, or dracut -f)"));
        }
    }

    private static String name(Nouveau nouveau) {
        return nouveau.modules().isEmpty()
                ? "built in"
                : nouveau.modules().getLast().name().toLowerCase(Locale.ROOT);
    }

    private static void building(ObservedDriver observed, AgentConfig.Driver settings, List<DriverRemark> remarks) {
        boolean builds = settings.manage()
                && settings.source() != SourceKind.HOST
                && settings.build().compile();
        if (!builds) {
            return;
        }
        if (!observed.headers().usable()) {
            remarks.add(new DriverRemark(
                    "the headers of kernel " + observed.kernel() + " "
                            + (observed.headers().directory().isEmpty()
                                    ? "are not installed"
                                    : observed.headers().missing().isEmpty()
                                            ? "are of kernel "
                                                    + observed.headers().release()
                                            : "lack "
                                                    + String.join(
                                                            ", ",
                                                            observed.headers().missing()))
                            + ": modules can only be taken from the store or a bundle",
                    "install linux-headers-" + observed.kernel() + " (Debian, Ubuntu) or kernel-devel-"
                            + observed.kernel() + " (Red Hat's family)"));
        }
        if (observed.security().refusesUnsigned() && settings.signing().key().isEmpty()) {
            remarks.add(
                    new DriverRemark(
                            "this boot refuses unsigned modules, and there is no key to sign with",
                            "set driver.signing.key and driver.signing.certificate to a key that is enrolled (mokutil --list-enrolled)"));
        }
    }
}
