package io.gpunode.agent.labels;

import io.gpunode.agent.labels.HostFacts.Vgpu;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Reads {@link HostFacts} from the host's files. Every read has a bound; what cannot be read is an answer, too, unless this reader has had a better one:
 * then that stays. Configuration spaces are read when the list of devices is another one, and at no other time, because the kernel wakes a suspended
 * device for that. One thread at a time; blocking.
 */
public final class HostFactsReader {
    private static final Path PCI_DEVICES = Path.of("/sys/bus/pci/devices");
    private static final int MACHINE_LIMIT_BYTES = 4096;
    private static final int ATTRIBUTE_LIMIT_BYTES = 32;
    private static final int NVIDIA = 0x10de;
    /** Base class "display controller" with the subclasses that GPUs have: VGA and 3D. */
    private static final int VGA_CONTROLLER = 0x0300;

    private static final int CONTROLLER_3D = 0x0302;

    private final HostFiles files;
    /** Those whose configuration spaces {@link #vgpu} is of. */
    private List<Path> inspected = List.of();

    private Reading<Boolean> gpu = new Reading.NotRead<>();
    private Reading<Optional<Vgpu>> vgpu = new Reading.NotRead<>();

    /** @param files of the host */
    public HostFactsReader(HostFiles files) {
        this.files = files;
    }

    /**
     * Looks at everything anew.
     *
     * @param machineTypeFile absolute path as the host sees it, or empty for no machine type
     */
    public HostFacts read(String machineTypeFile) {
        String machine = machine(machineTypeFile);
        try {
            if (!files.exists(PCI_DEVICES)) {
                String why = PCI_DEVICES + " does not exist";
                return new HostFacts(machine, new Reading.Unsupported<>(why), new Reading.Unsupported<>(why));
            }
            List<Path> devices = nvidiaDevices();
            gpu = Reading.of(anyGpu(devices));
            if (!(vgpu instanceof Reading.Value) || !devices.equals(inspected)) {
                Reading<Optional<Vgpu>> found = inspect(devices);
                if (found instanceof Reading.Value) {
                    inspected = devices;
                }
                vgpu = better(found, vgpu);
            }
        } catch (IOException e) {
            String why = String.valueOf(e.getMessage());
            gpu = better(new Reading.Failed<>(why), gpu);
            vgpu = better(new Reading.Failed<>(why), vgpu);
        }
        return new HostFacts(machine, gpu, vgpu);
    }

    private static <T> Reading<T> better(Reading<T> now, Reading<T> before) {
        return now instanceof Reading.Failed && before instanceof Reading.Value ? before : now;
    }

    private String machine(String file) {
        if (file.isEmpty()) {
            return HostFacts.UNKNOWN_MACHINE;
        }
        try {
            return files.readText(Path.of(file), MACHINE_LIMIT_BYTES)
                    .map(String::strip)
                    .orElse(HostFacts.UNKNOWN_MACHINE);
        } catch (IOException | IllegalArgumentException e) {
            return HostFacts.UNKNOWN_MACHINE;
        }
    }

    /** By PCI address. */
    private List<Path> nvidiaDevices() throws IOException {
        List<Path> found = new ArrayList<>();
        for (String address : files.list(PCI_DEVICES)) {
            Path device = PCI_DEVICES.resolve(address);
            try {
                if (number(device.resolve("vendor")) == NVIDIA) {
                    found.add(device);
                }
            } catch (IOException e) {
                throwUnlessGone(device, e);
            }
        }
        return found;
    }

    private boolean anyGpu(List<Path> devices) throws IOException {
        for (Path device : devices) {
            try {
                int kind = number(device.resolve("class")) >> 8;
                if (kind == VGA_CONTROLLER || kind == CONTROLLER_3D) {
                    return true;
                }
            } catch (IOException e) {
                throwUnlessGone(device, e);
            }
        }
        return false;
    }

    /** A device that was unplugged since it was listed says nothing of the others. */
    private void throwUnlessGone(Path device, IOException e) throws IOException {
        if (files.exists(device)) {
            throw e;
        }
    }

    private Reading<Optional<Vgpu>> inspect(List<Path> devices) {
        Optional<Vgpu> last = Optional.empty();
        try {
            for (Path device : devices) {
                try {
                    Optional<Vgpu> found = VgpuCapability.find(configurationSpace(device.resolve("config")));
                    last = found.isPresent() ? found : last;
                } catch (IOException e) {
                    throwUnlessGone(device, e);
                }
            }
        } catch (IOException e) {
            return new Reading.Failed<>(String.valueOf(e.getMessage()));
        }
        return Reading.of(last);
    }

    private int number(Path file) throws IOException {
        String text = files.readText(file, ATTRIBUTE_LIMIT_BYTES)
                .orElseThrow(() -> new IOException(file + " does not exist"))
                .strip();
        try {
            return Integer.decode(text);
        } catch (NumberFormatException e) {
            throw new IOException(file + " says \"" + text + "\", which is not a number", e);
        }
    }

    private byte[] configurationSpace(Path file) throws IOException {
        ByteBuffer space = ByteBuffer.allocate(VgpuCapability.HEADER_AND_CAPABILITIES);
        try (SeekableByteChannel channel = files.open(file)) {
            while (space.hasRemaining() && channel.read(space) >= 0) {
                // Until it is full or the file ends.
            }
        }
        if (space.hasRemaining()) {
            throw new IOException(file + " shows " + space.position() + " of " + VgpuCapability.HEADER_AND_CAPABILITIES
                    + " bytes: run as root");
        }
        return space.array();
    }
}
