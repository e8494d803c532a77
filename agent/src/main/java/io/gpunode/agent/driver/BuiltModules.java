package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.ModuleFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What module files say of themselves, checked against what they should be, in loading order. */
final class BuiltModules {
    /** ELF's numbers. */
    private static final Map<String, Integer> MACHINES = Map.of("x86_64", 62, "aarch64", 183);

    private BuiltModules() {}

    /**
     * Looks at all modules of a directory.
     *
     * @param directory as the host sees it
     * @throws DriverSourceException when one is of another driver, kernel or machine
     */
    static List<DriverManifest.Module> describe(
            HostFiles files, CommandRunner commands, Path directory, DriverVersion version, KernelFacts kernel)
            throws DriverSourceException, IOException, InterruptedException {
        Map<String, DriverManifest.Module> modules = new LinkedHashMap<>();
        for (String file : files.list(directory)) {
            if (file.contains(".ko")) {
                ModuleFile module = ModuleFile.read(files, directory.resolve(file), commands);
                check(file, module, version, kernel);
                String name = name(file);
                modules.put(name, module(name, file, module));
            }
        }
        if (!modules.containsKey("nvidia")) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.DAMAGED, "there is no kernel module nvidia in " + directory);
        }
        return ordered(modules);
    }

    /** Whether a module is of this driver, kernel and machine. */
    static void check(String file, ModuleFile module, DriverVersion version, KernelFacts kernel)
            throws DriverSourceException {
        Integer machine = MACHINES.get(kernel.machine());
        if (module.architecture() != 0 && machine != null && module.architecture() != machine) {
            throw damaged(file + " is for another machine than " + kernel.machine());
        }
        if (!module.kernel().equals(kernel.release())) {
            throw damaged(file + " is for kernel \"" + module.kernel() + "\" and not for " + kernel.release());
        }
        String said = module.version();
        if (!said.isEmpty() && DriverVersion.parse(said).isPresent() && !said.equals(version.text())) {
            throw damaged(file + " is of driver " + said + " and not of " + version);
        }
    }

    private static DriverSourceException damaged(String message) {
        return new DriverSourceException(DriverSourceException.Kind.DAMAGED, message);
    }

    static DriverManifest.Module module(String name, String file, ModuleFile module) {
        return new DriverManifest.Module(name, file, module.depends(), module.softDependencies());
    }

    /** {@code nvidia-uvm.ko.xz} is the module {@code nvidia_uvm}. */
    static String name(String file) {
        return file.substring(0, file.indexOf(".ko")).replace('-', '_');
    }

    /** Each after those of the same driver that it needs. */
    static List<DriverManifest.Module> ordered(Map<String, DriverManifest.Module> modules) {
        Set<String> done = new LinkedHashSet<>();
        for (String name : modules.keySet()) {
            add(name, modules, done, new LinkedHashSet<>());
        }
        return done.stream().map(modules::get).toList();
    }

    private static void add(
            String name, Map<String, DriverManifest.Module> modules, Set<String> done, Set<String> above) {
        DriverManifest.Module module = modules.get(name);
        if (module == null || done.contains(name) || !above.add(name)) {
            return;
        }
        for (String needed : module.depends()) {
            add(needed, modules, done, above);
        }
        done.add(name);
    }
}
