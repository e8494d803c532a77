package io.gpunode.agent.doctor;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.DriverFiles;
import io.gpunode.agent.os.DriverFiles.BusGpu;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelModules;
import io.gpunode.agent.os.KmsgKernelLog;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.SystemBootSecurity;
import io.gpunode.agent.os.SystemKernelModules;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Whether the GPUs on the PCI bus have their driver, and whether its two halves are of one version. */
final class DriverCheck implements Check {
    @Override
    public String name() {
        return "driver";
    }

    @Override
    public String wanted(Patient patient) {
        return patient.config().driver().manage()
                ? "NVIDIA GPUs, held by no other driver; the agent brings theirs (driver.manage)"
                : "NVIDIA GPUs with their driver, whose modules and libraries are of one version";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        HostFiles files = patient.files();
        DriverFiles driver = new DriverFiles(files);
        List<BusGpu> gpus = driver.gpus();
        List<Diagnosis> found = new ArrayList<>();
        gpus.forEach(gpu -> boundTo(gpu, found));
        changing(patient, found);
        Optional<String> version =
                driver.loaded().map(loaded -> loaded.version().text());
        if (gpus.isEmpty() && version.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "there is no NVIDIA GPU on the PCI bus",
                    "lspci -d 10de: (is it passed through to this VM?)"));
            return found;
        }
        if (version.isEmpty() && patient.config().driver().manage()) {
            found.add(Diagnosis.ok(
                    name(), count(gpus.size()) + " on the PCI bus; no driver is loaded, and the agent brings it"));
            return found;
        }
        if (version.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "the NVIDIA driver is not loaded; " + count(gpus.size()) + " on the PCI bus"
                            + (new SystemBootSecurity(files).read().refusesUnsigned()
                                    ? ", and this boot refuses modules without a trusted signature"
                                    : ""),
                    "modprobe nvidia && modprobe nvidia-uvm",
                    "gpu-node-agent driver status",
                    "dmesg | grep -i nvrm"));
            return found;
        }
        Path root = patient.config().plugin().driverRoot();
        List<String> libraries =
                driver.libraries(root).stream().map(DriverVersion::text).toList();
        if (libraries.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "driver " + version.get() + " is loaded and its libraries are not under " + root,
                    "install the driver's user space of version " + version.get()
                            + ", or name its place: flags.nvidiaDriverRoot in /etc/gpu-node-agent/config.yaml"));
        } else if (!libraries.contains(version.get())) {
            found.add(
                    Diagnosis.problem(
                            name(),
                            "driver " + version.get() + " is loaded, the libraries under " + root + " are of "
                                    + String.join(", ", libraries) + ": an upgrade was not finished",
                            "gpu-node-agent driver holders (tells who keeps the old one loaded)",
                            "reboot, or stop those and: modprobe -r nvidia-uvm nvidia-drm nvidia-modeset nvidia && modprobe nvidia"));
        } else {
            found.add(Diagnosis.ok(name(), "driver " + version.get() + ", " + count(gpus.size())));
        }
        return found;
    }

    /** A module that stays on its way in or out hangs in the kernel. */
    private void changing(Patient patient, List<Diagnosis> found) throws IOException {
        HostFiles files = patient.files();
        KernelModules modules = new SystemKernelModules(
                files, files, patient.commands(), () -> KmsgKernelLog.open(files), SystemTime.monotonic());
        for (LoadedModule module : modules.loaded()) {
            if (module.name().startsWith("nvidia") && module.phase() != LoadedModule.Phase.LIVE) {
                found.add(
                        Diagnosis.problem(
                                name(),
                                "module " + module.name()
                                        + (module.phase() == LoadedModule.Phase.COMING
                                                ? " is still starting"
                                                : " is still on its way out"),
                                "dmesg | grep -i nvrm; when it stays so, its code hangs in the kernel and only a reboot frees it"));
            }
        }
    }

    private void boundTo(BusGpu gpu, List<Diagnosis> found) {
        String address = gpu.address().sysfsName();
        String driver = gpu.driver();
        switch (driver) {
            case "nvidia" -> {}
            case "nouveau" ->
                found.add(Diagnosis.problem(
                        name(),
                        "the driver nouveau holds GPU " + address,
                        "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/nouveau.conf",
                        "rebuild the initial RAM disk (update-initramfs -u, or dracut -f) and reboot"));
            case "" ->
                found.add(Diagnosis.note(
                        name(), "no driver holds GPU " + address, "dmesg | grep -i -e nvrm -e " + address));
            default ->
                found.add(Diagnosis.note(
                        name(),
                        "the driver " + driver + " holds GPU " + address + ": containers cannot be given it",
                        "stop what uses it through " + driver
                                + " first (a virtual machine, a container), else the next line hangs",
                        "echo " + address + " > /sys/bus/pci/drivers/" + driver + "/unbind && echo " + address
                                + " > /sys/bus/pci/drivers/nvidia/bind"));
        }
    }

    private static String count(int gpus) {
        return gpus == 1 ? "1 GPU" : gpus + " GPUs";
    }
}
