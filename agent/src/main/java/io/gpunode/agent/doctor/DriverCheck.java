package io.gpunode.agent.doctor;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Whether the GPUs on the PCI bus have their driver, and whether its two halves are of one version. */
final class DriverCheck implements Check {
    private static final Path PCI = Path.of("/sys/bus/pci/devices");
    private static final Pattern MODULE_VERSION = Pattern.compile("Kernel Module.*?\\s(\\d+\\.\\d+(?:\\.\\d+)?)\\s");
    private static final int LIMIT = 1 << 16;

    @Override
    public String name() {
        return "driver";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        HostFiles files = patient.files();
        List<String> gpus = new ArrayList<>();
        List<Diagnosis> found = new ArrayList<>();
        for (String address : files.list(PCI)) {
            Path device = PCI.resolve(address);
            String kind = files.readText(device.resolve("class"), LIMIT).orElse("");
            // Display controllers (03xxxx) of NVIDIA.
            if (files.readText(device.resolve("vendor"), LIMIT).equals(Optional.of("0x10de"))
                    && kind.startsWith("0x03")) {
                gpus.add(address);
                boundTo(files, address, found);
            }
        }
        Optional<String> version =
                files.readText(Path.of("/proc/driver/nvidia/version"), LIMIT).flatMap(DriverCheck::moduleVersion);
        if (gpus.isEmpty() && version.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "there is no NVIDIA GPU on the PCI bus",
                    "lspci -d 10de: (is it passed through to this VM?)"));
            return found;
        }
        if (version.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "the NVIDIA driver is not loaded; " + count(gpus.size()) + " on the PCI bus",
                    "modprobe nvidia && modprobe nvidia-uvm",
                    "dmesg | grep -i nvrm"));
            return found;
        }
        Path root = patient.config().plugin().driverRoot();
        List<String> libraries = libraryVersions(files, root);
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
                            "reboot, or stop all GPU programs and: modprobe -r nvidia-uvm nvidia-drm nvidia-modeset nvidia && modprobe nvidia"));
        } else {
            found.add(Diagnosis.ok(name(), "driver " + version.get() + ", " + count(gpus.size())));
        }
        return found;
    }

    private void boundTo(HostFiles files, String address, List<Diagnosis> found) {
        Path device = PCI.resolve(address);
        String driver = files.realPath(device.resolve("driver"))
                .map(path -> path.getFileName().toString())
                .orElse("");
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
                        "echo " + address + " > /sys/bus/pci/drivers/" + driver + "/unbind && echo " + address
                                + " > /sys/bus/pci/drivers/nvidia/bind"));
        }
    }

    static Optional<String> moduleVersion(String text) {
        Matcher matcher = MODULE_VERSION.matcher(text);
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    /** From the names of {@code libnvidia-ml.so.<version>} in the usual directories. */
    private static List<String> libraryVersions(HostFiles files, Path root) throws IOException {
        List<String> versions = new ArrayList<>();
        for (String directory : List.of(
                "usr/lib64",
                "usr/lib/x86_64-linux-gnu",
                "usr/lib/aarch64-linux-gnu",
                "usr/lib/x86_64-linux-gnu/nvidia/current",
                "usr/lib",
                "lib64",
                "lib/x86_64-linux-gnu",
                "lib/aarch64-linux-gnu")) {
            for (String file : files.list(root.resolve(directory))) {
                String version = file.startsWith("libnvidia-ml.so.") ? file.substring("libnvidia-ml.so.".length()) : "";
                if (version.indexOf('.') > 0 && !versions.contains(version)) {
                    versions.add(version);
                }
            }
        }
        return versions;
    }

    private static String count(int gpus) {
        return gpus == 1 ? "1 GPU" : gpus + " GPUs";
    }
}
