package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.os.ModuleFile.Signature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Over objects that a compiler made and that OpenSSL signed as scripts/sign-file does. */
@Timeout(20)
class ModuleFileTest {
    private static final SystemHostFiles FILES = new SystemHostFiles(Path.of("/"));
    private static final CommandRunner NONE = (command, _, _, _, _) -> {
        throw new IOException("no program is needed, not even " + command.getFirst());
    };

    @TempDir
    private Path folder;

    private static Path resource(String name) {
        return Path.of("src/test/resources/io/gpunode/agent/os/modules", name).toAbsolutePath();
    }

    @Test
    void aModuleSaysWhatItIsAndWhatItNeeds() throws Exception {
        // When
        ModuleFile file = ModuleFile.read(FILES, resource("unsigned.ko"), NONE);

        // Then
        assertThat(file)
                .returns("stand_in", ModuleFile::name)
                .returns("1.2.3", ModuleFile::version)
                .returns("0123456789ABCDEF0123456", ModuleFile::sourceVersion)
                .returns("6.1.0-1-amd64", ModuleFile::kernel)
                .returns("Dual MIT/GPL", ModuleFile::licence)
                .returns(List.of("base", "nvidia_uvm"), ModuleFile::depends)
                .returns(List.of("ecdh_generic", "drm"), ModuleFile::softDependencies)
                .returns(List.of("speed"), ModuleFile::parameters)
                .returns(62, ModuleFile::architecture)
                .returns(Optional.empty(), ModuleFile::signature);
    }

    @ParameterizedTest
    @CsvSource({
        "signed.ko, Example module signing key, 1234abcd, sha512",
        "signed-by-key-id.ko, '', efe48f30709a23a4b9fa2c2607f7a7a2cd2058be, sha256",
    })
    void whoSignedItIsRead(String name, String signer, String key, String hash) throws Exception {
        // When
        Optional<Signature> signature =
                ModuleFile.read(FILES, resource(name), NONE).signature();

        // Then
        assertThat(signature).contains(new Signature(signer, key, hash));
    }

    @Test
    void aDamagedSignatureIsStillOne() throws Exception {
        // Given
        byte[] bytes = Files.readAllBytes(resource("signed.ko"));
        for (int i = bytes.length - 400; i < bytes.length - 60; i++) {
            bytes[i] = 0;
        }
        Path damaged = Files.write(folder.resolve("damaged.ko"), bytes);

        // When
        Optional<Signature> signature = ModuleFile.read(FILES, damaged, NONE).signature();

        // Then
        assertThat(signature).contains(new Signature("", "", ""));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 63, 64, 200, 700})
    void aTruncatedFileIsNoModule(int length) throws Exception {
        // Given
        byte[] bytes = Files.readAllBytes(resource("unsigned.ko"));
        Path cut = Files.write(folder.resolve("cut.ko"), java.util.Arrays.copyOf(bytes, length));

        // When / Then
        assertThatThrownBy(() -> ModuleFile.read(FILES, cut, NONE))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("cut.ko is no kernel module");
    }

    @Test
    void aMissingFileIsAnError() {
        assertThatThrownBy(() -> ModuleFile.read(FILES, folder.resolve("none.ko"), NONE))
                .isInstanceOf(IOException.class);
    }

    @Test
    void aCompressedFileIsReadByModinfo() throws Exception {
        // Given
        CommandRunner modinfo = (command, _, _, _, _) -> {
            assertThat(command).startsWith("modinfo", "-0", "--").endsWith("/x/nvidia.ko.xz");
            return new CommandRunner.Result(
                    0,
                    "filename=/x/nvidia.ko.xz\0version=580.65.06\0license=NVIDIA\0depends=\0sig_id=PKCS#7\0signer=DKMS key\0"
                            + "sig_key=0A:FF\0sig_hashalgo=sha256\0signature=00:11\0",
                    "",
                    false,
                    false);
        };

        // When
        ModuleFile file = ModuleFile.read(FILES, Path.of("/x/nvidia.ko.xz"), modinfo);

        // Then
        assertThat(file)
                .returns("580.65.06", ModuleFile::version)
                .returns(List.of(), ModuleFile::depends)
                .returns(Optional.of(new Signature("DKMS key", "0aff", "sha256")), ModuleFile::signature);
    }

    @ParameterizedTest
    @CsvSource({"xz, xz -kf", "zst, zstd -qkf"})
    void theSystemsModinfoReadsWhatIsCompressed(String suffix, String program) throws Exception {
        // Given
        assumeTrue(
                Files.exists(Path.of("/usr/sbin/modinfo")) || Files.exists(Path.of("/sbin/modinfo")),
                "kmod is not installed");
        Path plain = Files.copy(resource("signed.ko"), folder.resolve("stand_in.ko"));
        CommandRunner commands = new SystemCommandRunner();
        List<String> words = new java.util.ArrayList<>(List.of(program.split(" ", -1)));
        words.add(plain.toString());
        assumeTrue(commands.run(words, Duration.ofSeconds(10), 1_000).ok(), program + " is not installed");

        // When
        ModuleFile file = ModuleFile.read(FILES, folder.resolve("stand_in.ko." + suffix), commands);

        // Then
        assertThat(file.version()).isEqualTo("1.2.3");
        assertThat(file.signature()).isPresent();
    }
}
