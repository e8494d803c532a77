package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.KernelHeadersSearch;
import io.gpunode.agent.os.ModuleFile;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemJobRunner;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.KernelObject;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A real compilation of a small module against the headers of a real kernel: those of this machine, or of the system below {@code DRIVER_BUILD_ROOT} with its own
 * compiler. Where there are none it is listed as skipped. NVIDIA's own modules are built by {@code src/test/scripts/real-driver-build.sh}.
 */
@Timeout(120)
class DriverBuildIT {
    private static final Path ROOT = Path.of(System.getenv().getOrDefault("DRIVER_BUILD_ROOT", "/"));
    private static final Path PLACE = Path.of(
            "/var/tmp/gpu-node-agent-build-test-" + ProcessHandle.current().pid());
    private static final String MACHINE = System.getProperty("os.arch").equals("aarch64") ? "aarch64" : "x86_64";

    private final SystemHostFiles files = new SystemHostFiles(ROOT);
    private final SystemCommandRunner commands = new SystemCommandRunner();
    private final Path place = files.resolve(PLACE);
    private KernelHeaders headers;

    @BeforeEach
    void findHeaders() throws IOException {
        Optional<KernelHeaders> found = files.list(Path.of("/lib/modules")).stream()
                .map(new KernelHeadersSearch(files, MACHINE)::find)
                .filter(KernelHeaders::usable)
                .findFirst();
        assumeTrue(found.isPresent(), "no kernel headers are installed");
        headers = found.get();
        FileTrees.delete(place);
        write(place.resolve("sources/Kbuild"), "obj-m := nvidia.o\n");
        write(place.resolve("sources/Makefile"), "modules:\n\t$(MAKE) -C $(SYSOUT) M=$(CURDIR) modules\n");
        Files.createDirectories(place.resolve("work"));
        Files.createDirectories(place.resolve("out"));
    }

    @AfterEach
    void clean() throws IOException {
        FileTrees.delete(place);
    }

    @Test
    void aModuleIsCompiledForAKernel() throws Exception {
        // Given
        source("return -ENODEV;");

        // When
        List<DriverManifest.Module> modules = build();

        // Then
        assertThat(modules).extracting(DriverManifest.Module::name).containsExactly("nvidia");
        assertThat(place.resolve("out/nvidia.ko")).isRegularFile();
        assertThat(place.resolve("work")).doesNotExist();
    }

    @Test
    void whatTheCompilerHasAgainstTheSourcesIsTold() throws Exception {
        // Given
        source("return no_such_function();");

        // When
        DriverSourceException failure = catchThrowableOfType(DriverSourceException.class, this::build);

        // Then
        assertThat(failure).hasMessageContainingAll("failed (status 2)", PLACE + "/log", "error:", "no_such_function");
        assertThat(failure.kind()).isEqualTo(DriverSourceException.Kind.FAILED);
    }

    @Test
    void aModuleIsSignedByTheKernelsOwnProgram() throws Exception {
        // Given
        Path build = headers.directory().orElseThrow();
        assumeTrue(files.exists(build.resolve("scripts/sign-file")), "the headers have no sign-file");
        assumeTrue(files.exists(Path.of("/usr/bin/openssl")), "openssl is not installed");
        Path key = PLACE.resolve("key.pem");
        Path certificate = PLACE.resolve("certificate.der");
        makeKey(key, certificate);
        Path module = PLACE.resolve("out/nvidia.ko");
        Files.write(files.resolve(module), KernelObject.with("version=570.86.15"));
        ModuleSigning signing = ModuleSigning.open(
                        files,
                        commands,
                        new AgentConfig.Driver.Signing(
                                key.toString(), certificate.toString(), AgentConfig.Driver.SignatureHash.AUTO),
                        BootSecurity.NONE)
                .orElseThrow();

        // When
        signing.sign(module, build);

        // Then
        assertThat(ModuleFile.read(files, module, commands).signature())
                .hasValueSatisfying(signature -> assertThat(signature.signer()).isEqualTo("GPU node key"));
    }

    private void makeKey(Path key, Path certificate) throws IOException, InterruptedException {
        List<String> command = List.of(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=GPU node key",
                "-keyout",
                key.toString(),
                "-outform",
                "DER",
                "-out",
                certificate.toString());
        CommandRunner.Result made =
                commands.run(new HostCommands(files).command(command), Duration.ofSeconds(20), 10_000);
        assertThat(made.ok()).as(made.error()).isTrue();
    }

    private void source(String init) throws IOException {
        write(place.resolve("sources/nvidia.c"), """
                #include <linux/module.h>
                static int __init stand_in_init(void) { %s }
                static void __exit stand_in_exit(void) {}
                module_init(stand_in_init);
                module_exit(stand_in_exit);
                MODULE_LICENSE("Dual MIT/GPL");
                MODULE_VERSION("570.86.15");
                """.formatted(init));
    }

    private List<DriverManifest.Module> build() throws DriverSourceException, InterruptedException {
        DriverBuild build = new DriverBuild(
                files,
                commands,
                new SystemJobRunner(new SystemHostFiles(Path.of("/")), SystemTime.monotonic()),
                SystemTime.monotonic());
        return build.build(
                new DriverBuild.Order(
                        PLACE.resolve("sources"),
                        new DriverVersion("570.86.15"),
                        new KernelFacts(headers.kernel(), MACHINE, headers, BootSecurity.NONE),
                        Configs.defaults().driver().build(),
                        Optional.empty(),
                        PLACE.resolve("work"),
                        PLACE.resolve("out"),
                        PLACE.resolve("log")),
                Progress.NONE);
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(Objects.requireNonNull(file.getParent()));
        Files.writeString(file, text);
    }
}
