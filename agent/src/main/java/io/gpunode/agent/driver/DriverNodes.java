package io.gpunode.agent.driver;

import io.gpunode.agent.os.DeviceNodes;
import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.NvidiaNodes;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The driver's device nodes in the host's {@code /dev}, and for each a link {@code /dev/char/<major>:<minor>}: systemd and runc know a device by that name,
 * and forget what a running container may open at {@code systemctl daemon-reload} when there is none. Numbers that an earlier load had are put right.
 * One thread at a time.
 */
final class DriverNodes {
    private static final Path DEV = Path.of("/dev");
    private static final Path BY_NUMBER = Path.of("/dev/char");

    private final HostFiles files;
    private final DeviceNodes nodes;
    private final NvidiaNodes driver;

    DriverNodes(HostFiles files, DeviceNodes nodes) {
        this.files = files;
        this.nodes = nodes;
        this.driver = new NvidiaNodes(files);
    }

    /**
     * What was made, replaced and removed.
     *
     * @param changes how many
     * @param notes what could not be, in sentences
     */
    record Outcome(int changes, List<String> notes) {
        Outcome {
            notes = List.copyOf(notes);
        }
    }

    /**
     * Makes what is missing and puts right what is wrong.
     *
     * @throws IOException when the kernel does not tell what there should be
     */
    Outcome make() throws IOException {
        List<NvidiaNodes.Node> wanted = driver.wanted();
        List<String> notes = new ArrayList<>();
        int changes = 0;
        Map<String, Path> links = new HashMap<>();
        for (NvidiaNodes.Node node : wanted) {
            CharacterDevice device = node.device();
            links.put(device.major() + ":" + device.minor(), node.path());
            try {
                Optional<CharacterDevice> found = nodes.find(node.path());
                if (found.filter(device::sameDevice).isEmpty()) {
                    nodes.create(node.path(), device);
                    changes++;
                }
                Path link = BY_NUMBER.resolve(device.major() + ":" + device.minor());
                if (nodes.find(link).filter(device::sameDevice).isEmpty()) {
                    nodes.link(link, Path.of("..").resolve(DEV.relativize(node.path())));
                    changes++;
                }
            } catch (IOException e) {
                notes.add(
                        node.path() + " is not as it should be (" + device.major() + ":" + device.minor() + "): " + e);
            }
        }
        if (wanted.isEmpty()) {
            notes.add(
                    "the kernel names no devices of the driver in /proc/devices: see whether the modules are loaded (lsmod)");
        }
        return new Outcome(changes + removeLinks(links, notes), notes);
    }

    /** Removes the driver's nodes and links: once its modules are gone another driver may be given their numbers. */
    Outcome remove() throws IOException {
        List<String> notes = new ArrayList<>();
        int changes = removeLinks(Map.of(), notes);
        for (Path path : driver.present()) {
            try {
                if (nodes.find(path).isPresent()) {
                    files.delete(path);
                    changes++;
                }
            } catch (IOException e) {
                notes.add(path + " stays: " + e);
            }
        }
        return new Outcome(changes, notes);
    }

    /** Those that say a node of the driver and are not among these. */
    private int removeLinks(Map<String, Path> right, List<String> notes) throws IOException {
        int removed = 0;
        for (String name : files.list(BY_NUMBER)) {
            Path link = BY_NUMBER.resolve(name);
            Optional<Path> target =
                    files.linkTarget(link).map(text -> BY_NUMBER.resolve(text).normalize());
            if (target.isPresent() && isOwn(target.get()) && !target.get().equals(right.get(name))) {
                try {
                    files.delete(link);
                    removed++;
                } catch (IOException e) {
                    notes.add(link + " stays, and leads to " + target.get() + ": " + e);
                }
            }
        }
        return removed;
    }

    private static boolean isOwn(Path path) {
        return path.getNameCount() > 1 && path.startsWith(DEV) && NvidiaNodes.isOwn(DEV.relativize(path));
    }
}
