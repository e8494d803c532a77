package io.gpunode.agent.driver;

import io.gpunode.agent.driver.ObservedDriver.BusGpu;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelCommandLine;
import io.gpunode.agent.os.LoadedModule;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Looks for the kernel's own drivers of NVIDIA's GPUs. */
final class NouveauObserver {
    /** nova_core and nova_drm are nouveau's successors for Turing and newer; modules with what they use behind them. */
    static final List<String> MODULES = List.of("nova_drm", "nova_core", "nouveau");

    static final List<Path> CONFIGURATION = List.of(
            Path.of("/etc/modprobe.d"),
            Path.of("/run/modprobe.d"),
            Path.of("/usr/local/lib/modprobe.d"),
            Path.of("/usr/lib/modprobe.d"),
            Path.of("/lib/modprobe.d"));

    private static final Path FRAMEBUFFERS = Path.of("/sys/class/graphics");
    private static final Path CONSOLES = Path.of("/sys/class/vtconsole");
    private static final int LIMIT = 256 << 10;

    private final HostFiles files;

    NouveauObserver(HostFiles files) {
        this.files = files;
    }

    /**
     * What there is of them.
     *
     * @throws IOException when it cannot be looked at
     */
    Nouveau observe(List<LoadedModule> loaded, List<BusGpu> gpus) throws IOException {
        List<PciAddress> bound = new ArrayList<>();
        for (BusGpu gpu : gpus) {
            if (isOne(gpu.driver())) {
                bound.add(gpu.address());
            }
        }
        List<LoadedModule> modules = new ArrayList<>();
        for (String name : MODULES) {
            for (LoadedModule module : loaded) {
                if (module.name().equals(name)) {
                    modules.add(module);
                }
            }
        }
        return new Nouveau(modules, bound, modules.isEmpty() ? List.of() : consoles(), blacklisted());
    }

    private static boolean isOne(String driver) {
        return MODULES.contains(driver.replace('-', '_'));
    }

    /** Consoles that are drawn on a framebuffer, when one of the framebuffers is a GPU's that these drivers have. */
    private List<String> consoles() throws IOException {
        boolean drawn = false;
        for (String name : files.list(FRAMEBUFFERS)) {
            drawn |= name.startsWith("fb")
                    && files.realPath(FRAMEBUFFERS.resolve(name).resolve("device/driver"))
                            .map(path -> isOne(path.getFileName().toString()))
                            .orElse(false);
        }
        List<String> consoles = new ArrayList<>();
        if (drawn) {
            for (String name : files.list(CONSOLES)) {
                Path console = CONSOLES.resolve(name);
                boolean framebuffer = text(console.resolve("name")).contains("frame buffer");
                if (framebuffer && text(console.resolve("bind")).strip().equals("1")) {
                    consoles.add(name);
                }
            }
        }
        return consoles;
    }

    /** Whether nouveau, which kernels load by themselves, is kept out at the next boot. */
    private boolean blacklisted() throws IOException {
        KernelCommandLine line = KernelCommandLine.of(files);
        // Not rd.driver.blacklist, which ends with the initial RAM disk: udev loads it afterwards.
        for (String option : List.of("modprobe.blacklist", "module_blacklist")) {
            if (line.values(option).contains("nouveau")) {
                return true;
            }
        }
        // A file hides those of its name in the directories behind its own.
        Set<String> seen = new HashSet<>();
        for (Path directory : CONFIGURATION) {
            for (String name : files.list(directory)) {
                if (name.endsWith(".conf") && seen.add(name) && keepsOut(text(directory.resolve(name)))) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean keepsOut(String configuration) {
        for (String line : configuration.split("\n", -1)) {
            String[] words = line.strip().split("\\s+", -1);
            if (words.length >= 2
                    && words[1].equals("nouveau")
                    && (words[0].equals("blacklist") || (words[0].equals("install") && words.length > 2))) {
                return true;
            }
        }
        return false;
    }

    private String text(Path path) throws IOException {
        Optional<String> text = files.readText(path, LIMIT);
        return text.orElse("");
    }
}
