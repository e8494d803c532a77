package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import io.gpunode.agent.os.BootSecurity.SecureBoot;
import io.gpunode.agent.os.BootSecurity.TrustedKey;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads what this boot demands of kernel modules: the firmware's variables (UEFI specification, 3.3), shim's, the kernel's lockdown, and its keyrings
 * ({@code /proc/keys}, keyctl(2)). Any thread.
 */
public final class SystemBootSecurity {
    private static final Path EFI = Path.of("/sys/firmware/efi");
    private static final Path VARIABLES = Path.of("/sys/firmware/efi/efivars");
    private static final String GLOBAL = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    private static final String SHIM = "-605dab50-e046-4300-abb6-3dd810dd8b23";
    /** Before the value are four bytes of attributes. */
    private static final int VALUE = 4;

    private static final Path LOCKDOWN = Path.of("/sys/kernel/security/lockdown");
    private static final Path ENFORCED = Path.of("/sys/module/module/parameters/sig_enforce");
    private static final Path KEYS = Path.of("/proc/keys");
    private static final int SMALL = 4_096;
    private static final int KEYS_LIMIT = 1 << 20;

    /** Serial, flags, uses, expiry, permissions, owner, group, type; then the description. */
    private static final int KEY_FIELDS = 9;

    private static final int TYPE = 7;
    /** The kernel shows nine letters of the type. */
    private static final String CERTIFICATE = "asymmetri";

    private static final List<String> KEYRINGS =
            List.of(".builtin_trusted_keys", ".secondary_trusted_keys", ".machine", ".platform");
    /** Keys of one keyring; a firmware brings some ten. */
    private static final int MOST_KEYS = 1_024;

    private static final long KEYCTL_READ = 11;
    private static final long KEYCTL = "aarch64".equals(System.getProperty("os.arch")) ? 219 : 250;

    private final HostFiles files;
    private final KeyringReader keyrings;

    /** Which keys are in a keyring. */
    @FunctionalInterface
    interface KeyringReader {
        /**
         * The serial numbers of the keys.
         *
         * @return empty when the kernel does not tell this process
         */
        Optional<List<Integer>> keysOf(int keyring);
    }

    /** @param files the host's files; the keyrings are those of the running kernel whatever they say */
    public SystemBootSecurity(HostFiles files) {
        this(files, SystemBootSecurity::readKeyring);
    }

    SystemBootSecurity(HostFiles files, KeyringReader keyrings) {
        this.files = files;
        this.keyrings = keyrings;
    }

    /** Reads all of it. What is not there is not demanded; never fails. */
    public BootSecurity read() {
        List<TrustedKey> keys = new ArrayList<>();
        boolean told = readKeys(keys);
        String enforced = text(ENFORCED);
        return new BootSecurity(
                secureBoot(), lockdown(files), enforced.equals("Y") || enforced.equals("1"), keys, told);
    }

    /** The mode in force; empty where the kernel has no lockdown or does not tell. */
    static String lockdown(HostFiles files) {
        try {
            String text = files.readText(LOCKDOWN, SMALL).orElse("");
            int begin = text.indexOf('[');
            int end = text.indexOf(']', begin + 1);
            return begin >= 0 && end > begin ? text.substring(begin + 1, end) : "";
        } catch (IOException e) {
            return "";
        }
    }

    private SecureBoot secureBoot() {
        if (!files.exists(EFI)) {
            return SecureBoot.NO_UEFI;
        }
        int on = variable("SecureBoot" + GLOBAL);
        if (on < 0) {
            return SecureBoot.UNKNOWN;
        }
        if (variable("SetupMode" + GLOBAL) == 1) {
            return SecureBoot.SETUP_MODE;
        }
        if (on != 1) {
            return SecureBoot.OFF;
        }
        return variable("MokSBStateRT" + SHIM) == 1 ? SecureBoot.SHIM_DISABLED : SecureBoot.ON;
    }

    /** A variable of one byte; -1 when it cannot be read. */
    private int variable(String name) {
        try {
            String value = files.readText(VARIABLES.resolve(name), SMALL).orElse("");
            return value.length() > VALUE ? value.charAt(VALUE) : -1;
        } catch (IOException e) {
            return -1;
        }
    }

    private String text(Path path) {
        try {
            return files.readText(path, SMALL).orElse("").strip();
        } catch (IOException e) {
            return "";
        }
    }

    private boolean readKeys(List<TrustedKey> into) {
        String text;
        try {
            text = files.readText(KEYS, KEYS_LIMIT).orElse("");
        } catch (IOException e) {
            return false;
        }
        Map<Integer, String> certificates = new HashMap<>();
        Map<Integer, String> rings = new HashMap<>();
        for (String line : text.split("\n", -1)) {
            String[] fields = line.strip().split("\\s+", KEY_FIELDS);
            if (fields.length == KEY_FIELDS) {
                int serial = serial(fields[0]);
                if (fields[TYPE].equals(CERTIFICATE)) {
                    certificates.put(serial, fields[KEY_FIELDS - 1]);
                } else if (fields[TYPE].equals("keyring")) {
                    String name = fields[KEY_FIELDS - 1];
                    int colon = name.indexOf(':');
                    rings.put(serial, colon < 0 ? name : name.substring(0, colon));
                }
            }
        }
        boolean told = true;
        for (Map.Entry<Integer, String> ring : rings.entrySet()) {
            if (KEYRINGS.contains(ring.getValue())) {
                Optional<List<Integer>> members = keyrings.keysOf(ring.getKey());
                told &= members.isPresent();
                for (int serial : members.orElse(List.of())) {
                    String description = certificates.remove(serial);
                    if (description != null) {
                        into.add(key(description, ring.getValue()));
                    }
                }
            }
        }
        certificates.values().forEach(description -> into.add(key(description, "")));
        into.sort(Comparator.comparing(TrustedKey::keyring).thenComparing(TrustedKey::description));
        return told;
    }

    /** {@code Debian Secure Boot CA: 6ccece7e…: X509.rsa bb419ea1 []}: subject and identifier. */
    private static TrustedKey key(String text, String keyring) {
        int algorithm = text.lastIndexOf(": X509");
        String plain = algorithm < 0 ? text : text.substring(0, algorithm);
        int id = plain.lastIndexOf(": ");
        return id < 0
                ? new TrustedKey(plain, "", keyring)
                : new TrustedKey(plain.substring(0, id), plain.substring(id + 2), keyring);
    }

    private static int serial(String hexadecimal) {
        try {
            return Integer.parseUnsignedInt(hexadecimal, 16);
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    private static Optional<List<Integer>> readKeyring(int keyring) {
        byte[] buffer = new byte[MOST_KEYS * Integer.BYTES];
        try {
            long length = LibC.syscall(KEYCTL, KEYCTL_READ, keyring, buffer, buffer.length, 0);
            ByteBuffer serials = ByteBuffer.wrap(buffer, 0, (int) Math.min(length, buffer.length))
                    .order(ByteOrder.nativeOrder());
            List<Integer> keys = new ArrayList<>();
            while (serials.remaining() >= Integer.BYTES) {
                keys.add(serials.getInt());
            }
            return Optional.of(keys);
        } catch (LastErrorException e) {
            return Optional.empty();
        }
    }
}
