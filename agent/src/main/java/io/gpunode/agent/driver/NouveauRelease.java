package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelModules;
import io.gpunode.agent.os.KernelValues;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.ModuleOutcome;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes NVIDIA's GPUs from the kernel's own drivers while the machine runs: consoles let go of their framebuffers, the modules are unloaded, and modprobe is told to keep
 * nouveau out. When a module stays, the consoles come back. The initial RAM disk may still have nouveau; rebuilding it is left to a person, because a machine with a broken
 * one does not boot.
 */
final class NouveauRelease {
    /** Written by the agent and by nobody else. */
    static final Path KEPT_OUT = Path.of("/etc/modprobe.d/gpu-node-agent-nouveau.conf");

    private static final Path CONSOLES = Path.of("/sys/class/vtconsole");
    private static final String CONFIGURATION = """
            # Written by gpu-node-agent: NVIDIA's driver and nouveau cannot both have the GPUs.
            blacklist nouveau
            options nouveau modeset=0
            """;
    private static final String REBUILD =
            "rebuild the initial RAM disk (update-initramfs -u, or dracut -f), so that nouveau does not come back at the next boot";
    private static final String REBOOT =
            "end what uses it (a display server), or reboot without it: rebuild the initial RAM disk (update-initramfs -u, or dracut -f) first";

    private final KernelModules modules;
    private final KernelValues values;
    private final HostFiles files;

    NouveauRelease(KernelModules modules, KernelValues values, HostFiles files) {
        this.modules = modules;
        this.values = values;
        this.files = files;
    }

    /**
     * Does it.
     *
     * @param limit for each module
     * @return what is worth telling although it worked
     * @throws DriverStepException when a module stays: then a reboot is needed, and nouveau is kept out of the next boot
     */
    List<String> release(Nouveau nouveau, Duration limit) throws DriverStepException, InterruptedException {
        List<String> notes = new ArrayList<>();
        keepOut(nouveau, notes);
        if (nouveau.modules().isEmpty()) {
            if (nouveau.inTheWay()) {
                throw new DriverStepException(
                        "nouveau is built into the kernel: add modprobe.blacklist=nouveau nouveau.modeset=0 to the kernel's command"
                                + " line and reboot",
                        false,
                        List.of());
            }
            return notes;
        }
        List<String> taken = new ArrayList<>();
        try {
            for (String console : nouveau.consoles()) {
                bind(console, "0");
                taken.add(console);
            }
        } catch (IOException e) {
            giveBack(taken);
            throw new DriverStepException("a console cannot be taken from nouveau: " + e.getMessage(), e);
        }
        for (LoadedModule module : nouveau.modules()) {
            ModuleOutcome outcome;
            try {
                outcome = modules.unload(module.name(), limit);
            } catch (InterruptedException e) {
                giveBack(taken);
                throw e;
            }
            if (!outcome.ok()) {
                giveBack(taken);
                throw refused(module.name(), outcome);
            }
        }
        return notes;
    }

    private static DriverStepException refused(String module, ModuleOutcome outcome) {
        return switch (outcome) {
            case ModuleOutcome.Refused refused ->
                new DriverStepException(
                        module + " cannot be unloaded: " + refused.fault().sentence() + " (" + refused.said() + "); "
                                + REBOOT,
                        true,
                        refused.kernelLog());
            case ModuleOutcome.TimedOut late ->
                new DriverStepException(
                        module + " was not unloaded in time: " + late.state() + "; " + REBOOT, false, late.kernelLog());
            case ModuleOutcome.Done _, ModuleOutcome.AlreadyThere _, ModuleOutcome.AlreadyGone _ ->
                throw new IllegalStateException("unloaded: " + module);
        };
    }

    /** Before anything else: whether it can be unloaded or not, it must not come back. */
    private void keepOut(Nouveau nouveau, List<String> notes) {
        if (nouveau.blacklisted()) {
            return;
        }
        try {
            files.replace(KEPT_OUT, CONFIGURATION.getBytes(StandardCharsets.UTF_8), "rw-r--r--");
            notes.add("nouveau is kept out by " + KEPT_OUT + "; " + REBUILD);
        } catch (IOException e) {
            notes.add(KEPT_OUT + " cannot be written (" + e.getMessage()
                    + "): nouveau takes the GPUs again at the next boot");
        }
    }

    private void bind(String console, String value) throws IOException {
        values.write(CONSOLES.resolve(console).resolve("bind"), value);
    }

    private void giveBack(List<String> consoles) {
        for (String console : consoles) {
            try {
                bind(console, "1");
            } catch (IOException e) {
                // A console that is not drawn is seen by who looks at it; the failure that led here is what is told.
            }
        }
    }
}
