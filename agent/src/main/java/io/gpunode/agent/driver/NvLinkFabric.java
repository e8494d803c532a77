package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The switches between this node's GPUs, from what the PCI bus says. Up to the fourth generation of NVLink they are PCI devices of their own. From the
 * fifth on they are not: they are managed through a function of a ConnectX card, which says so in its vital product data ({@code SW_MNG}). That is read
 * once for each card, as it can take long and never changes. One thread at a time.
 */
final class NvLinkFabric {
    private static final Path PCI = Path.of("/sys/bus/pci/devices");
    private static final String NVIDIA = "0x10de";
    private static final String MELLANOX = "0x15b3";
    /** "Bridge, other": what NVSwitches call themselves, and NVIDIA makes nothing else of it. */
    private static final String SWITCH_CLASS = "0x0680";

    private static final byte[] MANAGEMENT = "SW_MNG".getBytes(StandardCharsets.US_ASCII);
    private static final int VPD_LIMIT = 4 << 10;
    private static final int LINE_LIMIT = 4 << 10;
    /** {@code IB_PORT_SM_DISABLED} of the kernel's {@code rdma/ib_verbs.h}. */
    private static final long SUBNET_MANAGER_DISABLED = 1 << 10;

    private final HostFiles files;
    private final Map<String, Boolean> manages = new HashMap<>();

    NvLinkFabric(HostFiles files) {
        this.files = files;
    }

    /** How this node's switches are set up. */
    enum Generation {
        /** There are none. */
        NONE,
        /** By the fabric manager, through the driver. */
        OWN_DEVICES,
        /** By the fabric manager and the subnet manager, through a network card. */
        BEHIND_CARD
    }

    Generation generation() throws IOException {
        boolean own = false;
        for (String device : files.list(PCI)) {
            String vendor = line(device, "vendor");
            if (vendor.equals(MELLANOX) && manages(device)) {
                return Generation.BEHIND_CARD;
            }
            own |= vendor.equals(NVIDIA) && line(device, "class").startsWith(SWITCH_CLASS);
        }
        return own ? Generation.OWN_DEVICES : Generation.NONE;
    }

    /**
     * The GUID of the port that the switches are managed through, as {@code 0x…}; empty when no port may be used for it, or its card has no driver for
     * InfiniBand.
     */
    Optional<String> managementPort() throws IOException {
        List<Path> ports = new ArrayList<>();
        for (String device : files.list(PCI)) {
            if (line(device, "vendor").equals(MELLANOX) && manages(device)) {
                Path interfaces = PCI.resolve(device).resolve("infiniband");
                for (String name : files.list(interfaces)) {
                    ports.add(interfaces.resolve(name).resolve("ports/1"));
                }
            }
        }
        ports.sort((first, second) -> Integer.compare(number(first), number(second)));
        for (Path port : ports) {
            Optional<String> guid = guid(port);
            if (guid.isPresent() && !disabled(port)) {
                return guid;
            }
        }
        return Optional.empty();
    }

    /** The number in {@code mlx5_10}. */
    private static int number(Path port) {
        String name = port.getName(port.getNameCount() - 3).toString();
        try {
            return Integer.parseInt(name.substring(name.lastIndexOf('_') + 1));
        } catch (NumberFormatException e) {
            return Integer.MAX_VALUE;
        }
    }

    private boolean disabled(Path port) throws IOException {
        String mask =
                files.readText(port.resolve("cap_mask"), LINE_LIMIT).orElse("0").strip();
        try {
            return (Long.decode(mask) & SUBNET_MANAGER_DISABLED) != 0;
        } catch (NumberFormatException e) {
            return false;
        }
    }

    /** The low half of the port's first address, {@code fe80:0000:0000:0000:xxxx:xxxx:xxxx:xxxx}. */
    private Optional<String> guid(Path port) throws IOException {
        String address =
                files.readText(port.resolve("gids/0"), LINE_LIMIT).orElse("").strip();
        String[] groups = address.split(":", -1);
        if (groups.length != 8) {
            return Optional.empty();
        }
        String guid = (groups[4] + groups[5] + groups[6] + groups[7]).toLowerCase(Locale.ROOT);
        return guid.length() != 16 || guid.equals("0".repeat(16)) ? Optional.empty() : Optional.of("0x" + guid);
    }

    private boolean manages(String device) throws IOException {
        Boolean known = manages.get(device);
        if (known == null) {
            known = readsManagement(PCI.resolve(device).resolve("vpd"));
            manages.put(device, known);
        }
        return known;
    }

    private boolean readsManagement(Path file) throws IOException {
        if (!files.exists(file)) {
            return false;
        }
        ByteBuffer buffer = ByteBuffer.allocate(VPD_LIMIT);
        try (SeekableByteChannel channel = files.open(file)) {
            while (buffer.hasRemaining() && channel.read(buffer) > 0) {
                if (contains(buffer.array(), buffer.position())) {
                    return true;
                }
            }
        } catch (IOException e) {
            // A card that is resetting, or one whose data are broken: the kernel answers with an input/output error.
            return false;
        }
        return false;
    }

    private static boolean contains(byte[] data, int length) {
        for (int i = 0; i + MANAGEMENT.length <= length; i++) {
            int at = 0;
            while (at < MANAGEMENT.length && data[i + at] == MANAGEMENT[at]) {
                at++;
            }
            if (at == MANAGEMENT.length) {
                return true;
            }
        }
        return false;
    }

    private String line(String device, String file) throws IOException {
        return files.readText(PCI.resolve(device).resolve(file), LINE_LIMIT)
                .orElse("")
                .strip();
    }
}
