package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.BootSecurity.SecureBoot;
import io.gpunode.agent.os.BootSecurity.TrustedKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class SystemBootSecurityTest {
    private static final String VARIABLES = "sys/firmware/efi/efivars/";
    private static final String GLOBAL = "-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    private static final String SHIM = "-605dab50-e046-4300-abb6-3dd810dd8b23";

    @TempDir
    private Path root;

    private BootSecurity read() {
        return new SystemBootSecurity(new SystemHostFiles(root), _ -> Optional.empty()).read();
    }

    @Test
    void aMachineWithoutAnyOfItDemandsNothing() {
        assertThat(read()).isEqualTo(BootSecurity.NONE);
        assertThat(read().refusesUnsigned()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "1, 0, 0, ON",
        "0, 0, 0, OFF",
        "1, 1, 0, SETUP_MODE",
        "1, 0, 1, SHIM_DISABLED",
        "-1, 0, 0, UNKNOWN",
    })
    void secureBootIsWhatTheFirmwaresVariablesSay(int on, int setup, int shim, SecureBoot expected) throws IOException {
        // Given
        variable("SecureBoot" + GLOBAL, on);
        variable("SetupMode" + GLOBAL, setup);
        variable("MokSBStateRT" + SHIM, shim);

        // When
        SecureBoot found = read().secureBoot();

        // Then
        assertThat(found).isEqualTo(expected);
    }

    @Test
    void lockdownAndEnforcementRefuseUnsignedModules() throws IOException {
        // Given
        write("sys/kernel/security/lockdown", "none [integrity] confidentiality");
        write("sys/module/module/parameters/sig_enforce", "Y");

        // When
        BootSecurity security = read();

        // Then
        assertThat(security)
                .returns("integrity", BootSecurity::lockdown)
                .returns(true, BootSecurity::enforced)
                .returns(true, BootSecurity::refusesUnsigned);
    }

    @Test
    void keysAreToldWithTheirKeyrings() throws IOException {
        // Given
        write("proc/keys", """
                0a3c1d05 I------     1 perm 1f030000     0     0 asymmetri Debian Secure Boot CA: 6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1: X509.rsa bb419ea1 []
                0ee76e02 I------     1 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 1
                11aa22bb I------     1 perm 1f0b0000     0     0 keyring   .machine: 1
                1f2e3d4c I------     1 perm 1f030000     0     0 asymmetri DKMS module signing key: 00ff: X509.rsa 00ff []
                22222222 I--Q---     1 perm 1f3f0000     0 65534 keyring   _uid_ses.0: 1
                33333333 I------     1 perm 1f030000     0     0 asymmetri Microsoft Windows: 4a: X509.rsa 4a []
                """);

        // When
        BootSecurity security = new SystemBootSecurity(new SystemHostFiles(root), keyring -> switch (keyring) {
                    case 0x0ee76e02 -> Optional.of(List.of(0x0a3c1d05));
                    case 0x11aa22bb -> Optional.of(List.of(0x1f2e3d4c));
                    default -> Optional.empty();
                })
                .read();

        // Then
        assertThat(security.keys())
                .containsExactly(
                        new TrustedKey("Microsoft Windows", "4a", ""),
                        new TrustedKey(
                                "Debian Secure Boot CA",
                                "6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1",
                                ".builtin_trusted_keys"),
                        new TrustedKey("DKMS module signing key", "00ff", ".machine"));
        assertThat(security.keysReadable()).isTrue();
        assertThat(security.keys().stream().filter(TrustedKey::forModules)).hasSize(2);
    }

    @Test
    void keyringsThatAreNotToldAreSaidToBe() throws IOException {
        // Given
        write("proc/keys", "0ee76e02 I------ 1 perm 1f0b0000 0 0 keyring .builtin_trusted_keys: 1");

        // When
        BootSecurity security = read();

        // Then
        assertThat(security.keysReadable()).isFalse();
    }

    @Test
    void thisMachineIsReadWithoutAnError() {
        // When
        BootSecurity security = new SystemBootSecurity(new SystemHostFiles(Path.of("/"))).read();

        // Then
        assertThat(security.keys())
                .allSatisfy(key -> assertThat(key.description()).isNotEmpty());
    }

    private void variable(String name, int value) throws IOException {
        Path path = root.resolve(VARIABLES + name);
        Files.createDirectories(path.getParent());
        if (value >= 0) {
            Files.write(path, new byte[] {6, 0, 0, 0, (byte) value});
        }
    }

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text + "\n");
    }
}
