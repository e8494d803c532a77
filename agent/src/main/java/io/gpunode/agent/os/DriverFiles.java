package io.gpunode.agent.os;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.model.PciAddress;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What procfs, sysfs and the libraries' file names tell of NVIDIA's driver and its GPUs, without asking the driver. Any thread. */
public final class DriverFiles {
    private static final Path PCI = Path.of("/sys/bus/pci/devices");
    private static final Path VERSION = Path.of("/proc/driver/nvidia/version");
    private static final Path MODULE_VERSION = Path.of("/sys/module/nvidia/version");
    private static final Path MODULE_TAINT = Path.of("/sys/module/nvidia/taint");
    private static final Path PARAMETERS = Path.of("/proc/driver/nvidia/params");
    private static final int LIMIT = 64 << 10;
    private static final String NVIDIA = "0x10de";
    /** The class of display controllers: 0x0300xx for those with a monitor, 0x0302xx for the others. */
    private static final String DISPLAY = "0x03";

    private static final Pattern IN_VERSION = Pattern.compile("Kernel Module.*?\\s(\\d+\\.\\d+(?:\\.\\d+)?)\\s");
    private static final String OPEN = "Open Kernel Module";
    private static final String LIBRARY = "libnvidia-ml.so.";
    private static final List<String> LIBRARY_DIRECTORIES = List.of(
            "usr/lib64",
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/aarch64-linux-gnu",
            "usr/lib/x86_64-linux-gnu/nvidia/current",
            "usr/lib/aarch64-linux-gnu/nvidia/current",
            "usr/lib",
            "lib64",
            "lib/x86_64-linux-gnu",
            "lib/aarch64-linux-gnu");

    private final HostFiles files;

    /** @param files the host's */
    public DriverFiles(HostFiles files) {
        this.files = files;
    }

    /**
     * The driver in the kernel.
     *
     * @param open whether it is the open set of modules
     */
    public record KernelDriver(DriverVersion version, boolean open) {}

    /**
     * A GPU on the PCI bus.
     *
     * @param device its device id, four hexadecimal digits in lower case
     * @param driver the kernel driver that is bound to it; empty for none
     */
    public record BusGpu(PciAddress address, String device, String driver) {}

    /**
     * The driver that is loaded, as it says itself.
     *
     * @return empty when none is, or it says nothing that is a version
     * @throws IOException when it cannot be read
     */
    public Optional<KernelDriver> loaded() throws IOException {
        Optional<String> text = files.readText(VERSION, LIMIT);
        Optional<DriverVersion> said = text.flatMap(DriverFiles::versionIn);
        if (said.isPresent()) {
            return Optional.of(new KernelDriver(said.get(), text.get().contains(OPEN)));
        }
        // Without procfs the module still has its version, and the kernel knows whether its licence is a free one.
        boolean proprietary = files.readText(MODULE_TAINT, LIMIT).orElse("").indexOf('P') >= 0;
        return files.readText(MODULE_VERSION, LIMIT)
                .flatMap(version -> DriverVersion.parse(version.strip()))
                .map(version -> new KernelDriver(version, !proprietary));
    }

    /** The version in the text of {@code /proc/driver/nvidia/version}; empty when there is none. */
    static Optional<DriverVersion> versionIn(String text) {
        Matcher matcher = IN_VERSION.matcher(text + "\n");
        return matcher.find() ? DriverVersion.parse(matcher.group(1)) : Optional.empty();
    }

    /**
     * The module options in force, sorted by name; quotation marks taken off. Empty when the driver is not loaded.
     *
     * @throws IOException when they cannot be read
     */
    public Map<String, String> parameters() throws IOException {
        Map<String, String> parameters = new TreeMap<>();
        for (String line : files.readText(PARAMETERS, LIMIT).orElse("").split("\n", -1)) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                String value = line.substring(colon + 1).strip();
                boolean quoted = value.length() >= 2 && value.startsWith("\"") && value.endsWith("\"");
                parameters.put(
                        line.substring(0, colon).strip(), quoted ? value.substring(1, value.length() - 1) : value);
            }
        }
        return parameters;
    }

    /**
     * Versions of the driver's libraries under a root, highest first, by the name of {@code libnvidia-ml.so.<version>}.
     *
     * @param root the driver root on the host
     * @throws IOException when a directory cannot be listed
     */
    public List<DriverVersion> libraries(Path root) throws IOException {
        List<DriverVersion> versions = new ArrayList<>();
        for (String directory : LIBRARY_DIRECTORIES) {
            for (String file : files.list(root.resolve(directory))) {
                if (file.startsWith(LIBRARY)) {
                    DriverVersion.parse(file.substring(LIBRARY.length()))
                            .filter(version -> !versions.contains(version))
                            .ifPresent(versions::add);
                }
            }
        }
        versions.sort(Comparator.reverseOrder());
        return versions;
    }

    /**
     * NVIDIA's display controllers in bus order.
     *
     * @throws IOException when the bus cannot be listed
     */
    public List<BusGpu> gpus() throws IOException {
        List<BusGpu> gpus = new ArrayList<>();
        for (String address : files.list(PCI)) {
            Path device = PCI.resolve(address);
            if (text(device.resolve("vendor")).equals(NVIDIA)
                    && text(device.resolve("class")).startsWith(DISPLAY)) {
                String driver = files.realPath(device.resolve("driver"))
                        .map(path -> path.getFileName().toString())
                        .orElse("");
                gpus.add(new BusGpu(
                        PciAddress.parse(address),
                        text(device.resolve("device")).replace("0x", ""),
                        driver));
            }
        }
        return gpus;
    }

    private String text(Path path) throws IOException {
        return files.readText(path, LIMIT).orElse("").strip();
    }
}
