package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.ModuleFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/** The driver that the distribution has installed: its modules below {@code /lib/modules}, its libraries where the loader finds them. Adopted as it is. */
final class HostSource {
    private static final Path MODULES = Path.of("/lib/modules");
    private static final int INDEX_LIMIT = 8 << 20;
    private static final List<Path> LIBRARIES = List.of(
            Path.of("/usr/lib/x86_64-linux-gnu"),
            Path.of("/usr/lib/aarch64-linux-gnu"),
            Path.of("/usr/lib64"),
            Path.of("/usr/lib"),
            Path.of("/usr/lib/x86_64-linux-gnu/nvidia/current"),
            Path.of("/usr/lib/aarch64-linux-gnu/nvidia/current"),
            Path.of("/lib64"),
            Path.of("/lib"));
    private static final String NVML = "libnvidia-ml.so.";

    private final HostFiles files;
    private final CommandRunner commands;

    HostSource(HostFiles files, CommandRunner commands) {
        this.files = files;
        this.commands = commands;
    }

    StagedDriver stage(DriverWish wish, KernelFacts kernel) throws DriverSourceException, InterruptedException {
        try {
            return adopt(wish, kernel);
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Why the host's modprobe would not load this driver, which it had once; empty when it would. */
    List<String> problems(StagedDriver driver) throws DriverSourceException, InterruptedException {
        try {
            Path main = modules(MODULES.resolve(driver.kernel())).get(ModuleGraph.CORE);
            if (main == null) {
                return List.of("no NVIDIA driver is installed for kernel " + driver.kernel());
            }
            ModuleFile file = ModuleFile.read(files, main, commands);
            return file.version().equals(driver.version().text()) && type(file) == driver.type()
                    ? List.of()
                    : List.of(file.version() + " (" + type(file).text() + ") is installed");
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private static ModuleType type(ModuleFile file) {
        return file.licence().contains("GPL") ? ModuleType.OPEN : ModuleType.PROPRIETARY;
    }

    private static DriverSourceException unreadable(IOException cause) {
        return new DriverSourceException(
                DriverSourceException.Kind.FAILED,
                "the driver that is installed on the host cannot be looked at: " + cause.getMessage(),
                cause);
    }

    private StagedDriver adopt(DriverWish wish, KernelFacts kernel)
            throws DriverSourceException, IOException, InterruptedException {
        Path directory = MODULES.resolve(kernel.release());
        Map<String, Path> found = modules(directory);
        Path main = found.get(ModuleGraph.CORE);
        if (main == null) {
            throw unusable("no NVIDIA driver is installed for kernel " + kernel.release() + ": " + directory
                    + "/modules.dep has no module nvidia. Install the distribution's packages for this kernel, or choose another"
                    + " driver.source");
        }
        ModuleFile file = ModuleFile.read(files, main, commands);
        String said = file.version();
        DriverVersion version = DriverVersion.parse(said)
                .orElseThrow(() -> unusable(main + " says version \"" + said + "\", which is no driver version"));
        if (!wish.accepts(version)) {
            throw unusable("the host has driver " + version + " for kernel " + kernel.release()
                    + ", and driver.version wants " + wish.settings().version()
                    + ": install that, or leave driver.version empty to take what is installed");
        }
        ModuleType type = type(file);
        checkLibraries(version);
        List<StagedModule> staged = new ArrayList<>();
        Map<String, ModuleFile> read = new HashMap<>();
        for (DriverManifest.Module module : describe(found, read, version, kernel)) {
            String build = Objects.requireNonNull(read.get(module.name())).sourceVersion();
            // What the distribution owns is whatever it is by now: nobody compares its digest, which costs half a
            // second.
            staged.add(new StagedModule(
                    module.name(), Path.of(module.file()), "", module.depends(), module.softDependencies(), build));
        }
        Optional<Path> firmware = Optional.empty();
        return new StagedDriver(version, type, kernel.release(), staged, Path.of("/"), firmware, "");
    }

    /** By name with underscores; from depmod's index, which knows what the host's modprobe would load. */
    private Map<String, Path> modules(Path directory) throws IOException {
        Map<String, Path> found = new HashMap<>();
        String index =
                files.readText(directory.resolve("modules.dep"), INDEX_LIMIT).orElse("");
        for (String line : index.split("\n", -1)) {
            int colon = line.indexOf(':');
            String file = colon < 0 ? "" : line.substring(0, colon);
            String name = file.substring(file.lastIndexOf('/') + 1);
            if (name.startsWith("nvidia") && name.contains(".ko") && ManifestPath.plain(file)) {
                Path path = file.startsWith("/") ? Path.of(file) : directory.resolve(file);
                String module = BuiltModules.name(name);
                if (isDriver(module) && files.exists(path)) {
                    found.putIfAbsent(module, path);
                }
            }
        }
        return found;
    }

    private static boolean isDriver(String module) {
        return switch (module) {
            case "nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm", "nvidia_peermem", "nvidia_vgpu_vfio" -> true;
            default -> false;
        };
    }

    private List<DriverManifest.Module> describe(
            Map<String, Path> found, Map<String, ModuleFile> read, DriverVersion version, KernelFacts kernel)
            throws DriverSourceException, IOException, InterruptedException {
        Map<String, DriverManifest.Module> modules = new HashMap<>();
        for (Map.Entry<String, Path> entry : found.entrySet()) {
            ModuleFile module = ModuleFile.read(files, entry.getValue(), commands);
            read.put(entry.getKey(), module);
            BuiltModules.check(entry.getValue().toString(), module, version, kernel);
            modules.put(
                    entry.getKey(),
                    BuiltModules.module(entry.getKey(), entry.getValue().toString(), module));
        }
        return BuiltModules.ordered(modules);
    }

    /** NVML of another version than the module's refuses every call: told here rather than after the load. */
    private void checkLibraries(DriverVersion version) throws DriverSourceException, IOException {
        Set<String> versions = new LinkedHashSet<>();
        for (Path directory : LIBRARIES) {
            if (!files.exists(directory)) {
                continue;
            }
            for (String name : files.list(directory)) {
                if (name.startsWith(NVML)) {
                    DriverVersion.parse(name.substring(NVML.length())).ifPresent(found -> versions.add(found.text()));
                }
            }
        }
        if (versions.isEmpty()) {
            throw unusable("the host has kernel modules of driver " + version + " and no " + NVML
                    + "1: install the package with the driver's libraries, too");
        }
        if (!versions.contains(version.text())) {
            throw unusable("the host's kernel modules are of driver " + version + " and its libraries of "
                    + String.join(", ", versions)
                    + ": they must be of one version. Has an upgrade not been finished, or its modules not been built for this"
                    + " kernel (dkms status)?");
        }
    }

    private static DriverSourceException unusable(String message) {
        return new DriverSourceException(DriverSourceException.Kind.UNUSABLE, message);
    }
}
