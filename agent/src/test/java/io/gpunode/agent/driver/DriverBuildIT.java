package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.KernelHeadersSearch;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemJobRunner;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A real compilation of a small module against the headers of a real kernel: those of this machine, or of the system below {@code DRIVER_BUILD_ROOT} with its own
 * compiler. Where there are none it is listed as skipped. NVIDIA's own modules are built by {@code src/test/scripts/real-driver-build.sh}.
 */
@Timeout(120)
class DriverBuildIT {
    private static final Path ROOT = Path.of(System.getenv().getOrDefault("DRIVER_BUILD_ROOT", "/"));
    private static final Path PLACE = Path.of("/var/tmp/gpu-node-agent-build-test");

    @Test
    void aModuleIsCompiledForAKernel() throws Exception {
        // Given
        SystemHostFiles files = new SystemHostFiles(ROOT);
        Optional<KernelHeaders> headers = files.list(Path.of("/lib/modules")).stream()
                .map(new KernelHeadersSearch(files, "x86_64")::find)
                .filter(KernelHeaders::usable)
                .findFirst();
        assumeTrue(headers.isPresent(), "no kernel headers are installed");
        String kernel = headers.get().kernel();
        Path place = files.resolve(PLACE);
        FileTrees.delete(place);
        try {
            write(place.resolve("sources/Kbuild"), "obj-m := nvidia.o\n");
            write(place.resolve("sources/Makefile"), "modules:\n\t$(MAKE) -C $(SYSOUT) M=$(CURDIR) modules\n");
            write(place.resolve("sources/nvidia.c"), """
                    #include <linux/module.h>
                    static int __init stand_in_init(void) { return -ENODEV; }
                    static void __exit stand_in_exit(void) {}
                    module_init(stand_in_init);
                    module_exit(stand_in_exit);
                    MODULE_LICENSE("Dual MIT/GPL");
                    MODULE_VERSION("570.86.15");
                    """);
            Files.createDirectories(place.resolve("work"));
            Files.createDirectories(place.resolve("out"));
            DriverBuild build = new DriverBuild(
                    files,
                    new SystemCommandRunner(),
                    new SystemJobRunner(new SystemHostFiles(Path.of("/")), SystemTime.monotonic()),
                    SystemTime.monotonic());

            // When
            List<DriverManifest.Module> modules = build.build(
                    new DriverBuild.Order(
                            PLACE.resolve("sources"),
                            new DriverVersion("570.86.15"),
                            new KernelFacts(kernel, "x86_64", headers.get(), BootSecurity.NONE),
                            Configs.defaults().driver().build(),
                            Optional.empty(),
                            PLACE.resolve("work"),
                            PLACE.resolve("out"),
                            PLACE.resolve("log")),
                    Progress.NONE);

            // Then
            assertThat(modules).extracting(DriverManifest.Module::name).containsExactly("nvidia");
            assertThat(place.resolve("out/nvidia.ko")).isRegularFile();
        } finally {
            FileTrees.delete(place);
        }
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(Objects.requireNonNull(file.getParent()));
        Files.writeString(file, text);
    }
}
