package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver.SignatureHash;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.BootSecurity.SecureBoot;
import io.gpunode.agent.os.BootSecurity.TrustedKey;
import io.gpunode.agent.os.ModuleFile;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.KernelObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Signing with keys that openssl makes; where there is no openssl these tests are listed as skipped. */
@Timeout(60)
class ModuleSigningTest {
    private static final BootSecurity LOCKED = new BootSecurity(SecureBoot.ON, "integrity", false, List.of(), true);

    @TempDir
    Path directory;

    private final SystemHostFiles files = new SystemHostFiles(Path.of("/"));
    private final SystemCommandRunner commands = new SystemCommandRunner();

    @BeforeEach
    void makeKeys() throws Exception {
        assumeTrue(Files.exists(Path.of("/usr/bin/openssl")), "openssl is not installed");
        for (String name : List.of("one", "two")) {
            openssl(
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-keyout",
                    path(name + ".key"),
                    "-out",
                    path(name + ".pem"),
                    "-subj",
                    "/CN=GPU node key " + name,
                    "-days",
                    "2");
        }
        openssl("x509", "-in", path("one.pem"), "-outform", "DER", "-out", path("one.der"));
    }

    @Test
    void withoutAKeyModulesStayUnsignedWhereThatIsAllowed() throws Exception {
        // When
        Optional<ModuleSigning> signing = ModuleSigning.open(files, commands, settings("", ""), BootSecurity.NONE);

        // Then
        assertThat(signing).isEmpty();
    }

    @Test
    void aModuleIsSignedByOpensslWhereTheHeadersHaveNoProgram() throws Exception {
        // Given
        Path module =
                Files.write(directory.resolve("nvidia.ko"), KernelObject.with("version=570.86.15", "vermagic=6.1"));
        long size = Files.size(module);
        ModuleSigning signing = ModuleSigning.open(
                        files, commands, settings(path("one.key"), path("one.der")), BootSecurity.NONE)
                .orElseThrow();

        // When
        signing.sign(module, directory);

        // Then
        ModuleFile signed = ModuleFile.read(files, module, commands);
        assertThat(signed.signature()).hasValueSatisfying(signature -> {
            assertThat(signature.signer()).isEqualTo("GPU node key one");
            assertThat(signature.hash()).isEqualTo("sha256");
        });
        assertThat(Files.size(module)).isGreaterThan(size);
        assertThat(directory.toFile().list()).doesNotContain("nvidia.ko.p7s", "nvidia.ko.pem");
    }

    @Test
    void theKernelsDigestIsTaken() throws Exception {
        // Given
        Files.writeString(directory.resolve(".config"), "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha512\"\n");
        Path module = Files.write(directory.resolve("nvidia.ko"), KernelObject.with("version=570.86.15"));
        ModuleSigning signing = ModuleSigning.open(
                        files, commands, settings(path("one.key"), path("one.pem")), BootSecurity.NONE)
                .orElseThrow();

        // When
        signing.sign(module, directory);

        // Then
        assertThat(ModuleFile.read(files, module, commands)
                        .signature()
                        .orElseThrow()
                        .hash())
                .isEqualTo("sha512");
    }

    @Test
    void aCertificateOfAnotherKeyIsRefused() {
        // When
        assertThatThrownBy(() -> ModuleSigning.open(
                        files, commands, settings(path("one.key"), path("two.pem")), BootSecurity.NONE))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContaining("two.pem is not that of the key");
    }

    @Test
    void aKeyThatTheKernelDoesNotTrustIsRefusedWithTheWayToEnrolIt() {
        // When
        assertThatThrownBy(
                        () -> ModuleSigning.open(files, commands, settings(path("one.key"), path("one.pem")), LOCKED))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContainingAll("lockdown is integrity", "CN=GPU node key one", "mokutil --import");
    }

    @Test
    void aKeyThatTheKernelTrustsIsTaken() throws Exception {
        // Given
        String said = openssl("x509", "-in", path("one.pem"), "-noout", "-ext", "subjectKeyIdentifier");
        String identifier =
                said.substring(said.indexOf('\n') + 1).strip().replace(":", "").toLowerCase(Locale.ROOT);
        BootSecurity trusting = new BootSecurity(
                SecureBoot.ON,
                "integrity",
                false,
                // The kernel shows the end of it.
                List.of(new TrustedKey("GPU node key one", identifier.substring(identifier.length() - 8), ".machine")),
                true);

        // When
        Optional<ModuleSigning> signing =
                ModuleSigning.open(files, commands, settings(path("one.key"), path("one.pem")), trusting);

        // Then
        assertThat(signing).isPresent();
    }

    @Test
    void aKeyThatIsEnrolledWhereOnlySomeKernelsLookIsNotRefused() throws Exception {
        // Given
        String said = openssl("x509", "-in", path("one.pem"), "-noout", "-ext", "subjectKeyIdentifier");
        String identifier =
                said.substring(said.indexOf('\n') + 1).strip().replace(":", "").toLowerCase(Locale.ROOT);
        BootSecurity platform = new BootSecurity(
                SecureBoot.ON, "integrity", false, List.of(new TrustedKey("x", identifier, ".platform")), true);

        // When
        Optional<ModuleSigning> signing =
                ModuleSigning.open(files, commands, settings(path("one.key"), path("one.pem")), platform);

        // Then
        assertThat(signing).isPresent();
    }

    @Test
    void aKeyIsNotTakenForAnotherWhoseIdentifierEndsAsItsSerialNumber() throws Exception {
        // Given
        openssl(
                "req",
                "-x509",
                "-new",
                "-key",
                path("one.key"),
                "-set_serial",
                "1",
                "-subj",
                "/CN=first",
                "-out",
                path("first.pem"));
        BootSecurity others = new BootSecurity(
                SecureBoot.ON,
                "integrity",
                false,
                List.of(new TrustedKey("Somebody else", "5e9f0c7d3b2a190817263544f0e1d2c3b4a59601", ".machine")),
                true);

        // When
        assertThatThrownBy(
                        () -> ModuleSigning.open(files, commands, settings(path("one.key"), path("first.pem")), others))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContaining("mokutil --import");
    }

    @Test
    void aModuleWhoseCertificateTheKernelDoesNotHaveIsRefusedBeforeItIsLoaded() throws Exception {
        // Given
        Path module = Files.write(directory.resolve("nvidia.ko"), KernelObject.with("version=570.86.15"));
        ModuleSigning.open(files, commands, settings(path("one.key"), path("one.pem")), BootSecurity.NONE)
                .orElseThrow()
                .sign(module, directory);
        ModuleFile.Signature signature =
                ModuleFile.read(files, module, commands).signature().orElseThrow();
        Path host = directory.resolve("host");
        Files.createDirectories(host.resolve("var/lib/dkms"));
        Files.copy(directory.resolve("one.der"), host.resolve("var/lib/dkms/mok.pub"));

        // When
        assertThatThrownBy(() -> ModuleSigning.checkTrusted(
                        new SystemHostFiles(host), settings("", ""), LOCKED, module, signature))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContainingAll(
                        "nvidia.ko is signed with the certificate /var/lib/dkms/mok.pub (CN=GPU node key one",
                        "mokutil --import /var/lib/dkms/mok.pub");
    }

    @Test
    void aModuleWhoseCertificateLiesNowhereIsLeftToTheKernel() throws Exception {
        // Given
        Path host = directory.resolve("host");
        Files.createDirectories(host.resolve("var/lib/dkms"));
        Files.writeString(host.resolve("var/lib/dkms/mok.pub"), "no certificate");
        Files.createDirectories(host.resolve("var/lib/shim-signed/mok"));
        Files.copy(directory.resolve("one.der"), host.resolve("var/lib/shim-signed/mok/MOK.der"));
        ModuleFile.Signature vendors = new ModuleFile.Signature("A vendor", "0102030405", "sha256");

        // When
        ThrowingCallable check = () -> ModuleSigning.checkTrusted(
                new SystemHostFiles(host), settings("", ""), LOCKED, Path.of("/lib/nvidia.ko"), vendors);

        // Then
        assertThatCode(check).doesNotThrowAnyException();
    }

    @Test
    void anEncryptedKeyIsRefused() throws Exception {
        // Given
        openssl("pkcs8", "-topk8", "-in", path("one.key"), "-out", path("secret.key"), "-passout", "pass:secret");

        // When
        assertThatThrownBy(() -> ModuleSigning.open(
                        files, commands, settings(path("secret.key"), path("one.pem")), BootSecurity.NONE))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContaining("is encrypted");
    }

    @Test
    void aMissingKeyIsNamed() {
        // When
        assertThatThrownBy(() -> ModuleSigning.open(
                        files, commands, settings("/no/such.key", path("one.pem")), BootSecurity.NONE))
                // Then
                .isInstanceOf(DriverSourceException.class)
                .hasMessageContaining("there is no file /no/such.key");
    }

    private static AgentConfig.Driver.Signing settings(String key, String certificate) {
        return new AgentConfig.Driver.Signing(key, certificate, SignatureHash.AUTO);
    }

    private String path(String name) {
        return directory.resolve(name).toString();
    }

    private String openssl(String... words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("openssl"));
        command.addAll(List.of(words));
        var result = commands.run(command, Duration.ofSeconds(20), 10_000);
        assertThat(result.ok()).as(result.error()).isTrue();
        return result.output();
    }
}
