package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The host's distribution, from its own {@code os-release}: every node decides for itself.
 *
 * @param family whose packages it has
 * @param id {@code ID}, such as {@code ubuntu}
 * @param name for people, such as {@code Debian GNU/Linux 12 (bookworm)}
 */
record Distribution(Family family, String id, String name) {
    private static final int LIMIT = 64 << 10;
    private static final List<Path> PLACES = List.of(Path.of("/etc/os-release"), Path.of("/usr/lib/os-release"));

    /** Who makes the packages, and which program installs them. */
    enum Family {
        DEBIAN("apt-get"),
        UBUNTU("apt-get"),
        RED_HAT("dnf"),
        AMAZON("dnf"),
        SUSE("zypper"),
        UNKNOWN("");

        private final String manager;

        Family(String manager) {
            this.manager = manager;
        }

        /** The program; empty for none. */
        String manager() {
            return manager;
        }
    }

    /** Reads it; {@link Family#UNKNOWN} when the host does not say, or is none of those known. */
    static Distribution read(HostFiles files) throws IOException {
        for (Path place : PLACES) {
            var text = files.readText(place, LIMIT);
            if (text.isPresent()) {
                return parse(text.get());
            }
        }
        return new Distribution(Family.UNKNOWN, "", "an unknown system without os-release");
    }

    static Distribution parse(String text) {
        Map<String, String> values = new HashMap<>();
        for (String line : text.split("\n", -1)) {
            int equals = line.indexOf('=');
            if (equals > 0 && !line.startsWith("#")) {
                String value = line.substring(equals + 1).strip();
                boolean quoted = value.length() >= 2
                        && (value.charAt(0) == '"' || value.charAt(0) == '\'')
                        && value.charAt(value.length() - 1) == value.charAt(0);
                values.put(line.substring(0, equals).strip(), quoted ? value.substring(1, value.length() - 1) : value);
            }
        }
        String id = values.getOrDefault("ID", "");
        Family family = family(id);
        for (String like : values.getOrDefault("ID_LIKE", "").split(" ", -1)) {
            family = family == Family.UNKNOWN ? family(like) : family;
        }
        String name = values.getOrDefault("PRETTY_NAME", id.isEmpty() ? "an unknown system" : id);
        return new Distribution(family, id, ManifestPath.plain(name) ? name : id);
    }

    private static Family family(String id) {
        return switch (id) {
            case "debian" -> Family.DEBIAN;
            case "ubuntu" -> Family.UBUNTU;
            case "rhel", "centos", "rocky", "almalinux", "fedora", "ol" -> Family.RED_HAT;
            case "amzn" -> Family.AMAZON;
            case "sles", "suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed" -> Family.SUSE;
            default -> Family.UNKNOWN;
        };
    }

    /** How a kernel's headers are installed here; empty when that is not known. */
    String headersCommand(String kernel) {
        return switch (family) {
            case DEBIAN, UBUNTU -> "apt-get install linux-headers-" + kernel;
            case RED_HAT, AMAZON -> "dnf install kernel-devel-" + kernel;
            case SUSE -> {
                int dash = kernel.lastIndexOf('-');
                yield "zypper install kernel-" + (dash < 0 ? "default" : kernel.substring(dash + 1)) + "-devel";
            }
            case UNKNOWN -> "";
        };
    }
}
