package io.gpunode.agent.os;

import java.util.List;

/**
 * What this boot demands of kernel modules.
 *
 * @param secureBoot whether the firmware checks what it boots
 * @param lockdown {@code none}, {@code integrity} or {@code confidentiality}; empty where the kernel has no lockdown
 * @param enforced whether every module must be signed ({@code sig_enforce})
 * @param keys the certificates that the kernel knows; empty where it does not tell
 * @param keysReadable whether it was told which key is in which keyring
 */
public record BootSecurity(
        SecureBoot secureBoot, String lockdown, boolean enforced, List<TrustedKey> keys, boolean keysReadable) {
    /** Nothing is demanded. */
    public static final BootSecurity NONE = new BootSecurity(SecureBoot.NO_UEFI, "", false, List.of(), true);

    /** The state of Secure Boot. */
    public enum SecureBoot {
        /** On. */
        ON,
        /** The firmware can and does not. */
        OFF,
        /** The firmware is in setup mode and checks nothing. */
        SETUP_MODE,
        /** The firmware checks, and shim was told not to (mokutil --disable-validation). */
        SHIM_DISABLED,
        /** The machine did not boot by UEFI, or has no such variables. */
        NO_UEFI,
        /** There are variables that cannot be read. */
        UNKNOWN
    }

    /**
     * A certificate.
     *
     * @param description the subject, as the kernel writes it
     * @param identifier its subject key identifier or serial number, lower case hexadecimal digits as far as the kernel shows it
     * @param keyring where it is, such as {@code .machine}; empty when that was not told
     */
    public record TrustedKey(String description, String identifier, String keyring) {
        /** Whether modules that are signed with it are taken: not with the keys of the firmware ({@code .platform}). */
        public boolean forModules() {
            return keyring.equals(".builtin_trusted_keys")
                    || keyring.equals(".secondary_trusted_keys")
                    || keyring.equals(".machine");
        }
    }

    public BootSecurity {
        keys = List.copyOf(keys);
    }

    /** Whether a module without a trusted signature is refused. */
    public boolean refusesUnsigned() {
        return enforced || lockdown.equals("integrity") || lockdown.equals("confidentiality");
    }
}
