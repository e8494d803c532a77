package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The script that kernel packages call: it may do its work or not, and never fails. */
@Timeout(20)
class KernelHookTest {
    private static final Path SCRIPT = Path.of("../packaging/kernel-hooks/gpu-node-agent-prebuild");

    @TempDir
    Path directory;

    @Test
    void aNewKernelHasItsDriverBuilt() throws Exception {
        // Given
        agent("echo \"$@\" > " + directory.resolve("called"));

        // When
        int status = hook("gpu-node-agent", "6.1.0-50-amd64", "/boot/vmlinuz-6.1.0-50-amd64");

        // Then
        assertThat(status).isZero();
        assertThat(directory.resolve("called"))
                .content()
                .isEqualTo("driver build --if-managed --kernel 6.1.0-50-amd64\n");
    }

    @Test
    void underSystemdTheInstallationDoesNotWait() throws Exception {
        // Given
        agent("echo \"$@\" > " + directory.resolve("called"));
        systemd("echo \"$@\" > " + directory.resolve("asked"));

        // When
        int status = hook("gpu-node-agent", "6.1.0-50-amd64");

        // Then
        assertThat(status).isZero();
        assertThat(directory.resolve("called")).doesNotExist();
        assertThat(directory.resolve("asked"))
                .content()
                .contains("--no-block")
                .endsWith("driver build --if-managed --kernel 6.1.0-50-amd64 --wait 3600\n");
    }

    @Test
    void whereSystemdDoesNotAnswerTheBuildIsMadeAllTheSame() throws Exception {
        // Given
        agent("echo \"$@\" > " + directory.resolve("called"));
        systemd("exit 1");

        // When
        int status = hook("gpu-node-agent", "6.1.0-50-amd64");

        // Then
        assertThat(status).isZero();
        assertThat(directory.resolve("called"))
                .content()
                .isEqualTo("driver build --if-managed --kernel 6.1.0-50-amd64\n");
    }

    @Test
    void aFailingBuildFailsNoKernel() throws Exception {
        // Given
        agent("exit 1");

        // When
        int status = hook("gpu-node-agent", "6.1.0-50-amd64");

        // Then
        assertThat(status).isZero();
    }

    @Test
    void withoutTheAgentNothingHappens() throws Exception {
        // When
        int status = hook("gpu-node-agent", "6.1.0-50-amd64");

        // Then
        assertThat(status).isZero();
    }

    @Test
    void kernelInstallCallsItForAddedKernelsOnly() throws Exception {
        // Given
        agent("echo \"$@\" >> " + directory.resolve("called"));

        // When
        int removed = hook("60-gpu-node-agent.install", "remove", "6.1.0-49-amd64", "/boot/x");
        int added = hook("60-gpu-node-agent.install", "add", "6.1.0-50-amd64", "/boot/x", "/boot/vmlinuz");

        // Then
        assertThat(List.of(removed, added)).containsOnly(0);
        assertThat(directory.resolve("called"))
                .content()
                .isEqualTo("driver build --if-managed --kernel 6.1.0-50-amd64\n");
    }

    @Test
    void whatIsNoReleaseIsLeftAlone() throws Exception {
        // Given
        agent("echo \"$@\" > " + directory.resolve("called"));

        // When
        int status = hook("gpu-node-agent", "6.1; touch evil");

        // Then
        assertThat(status).isZero();
        assertThat(directory.resolve("called")).doesNotExist();
    }

    private void agent(String does) throws IOException {
        program(directory.resolve("agent"), "#!/bin/sh\n" + does + "\n");
    }

    private void systemd(String does) throws IOException {
        Files.createDirectories(directory.resolve("systemd"));
        program(directory.resolve("systemd-run"), "#!/bin/sh\n" + does + "\n");
    }

    /** The script under another name, as packages install it, with this test's agent, and with no systemd in sight but the test's. */
    private int hook(String name, String... arguments) throws IOException, InterruptedException {
        Path script = directory.resolve(name);
        program(
                script,
                Files.readString(SCRIPT)
                        .replace(
                                "/usr/bin/gpu-node-agent",
                                directory.resolve("agent").toString())
                        .replace(
                                "/run/systemd/system",
                                directory.resolve("systemd").toString())
                        .replace(
                                "systemd-run ", directory.resolve("systemd-run").toString() + " "));
        List<String> command = new ArrayList<>(List.of(script.toString()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).inheritIO().start();
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }

    private static void program(Path file, String text) throws IOException {
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
