package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class KernelHeadersSearchTest {
    private static final String KERNEL = "6.1.0-50-amd64";

    @TempDir
    Path host;

    @Test
    void debiansHeadersAreOfTheReleaseThatModulesWillBeFor() throws IOException {
        // Given
        headers("6.1.176");
        write("include/generated/utsrelease.h", "#define UTS_RELEASE \"" + KERNEL + "\"\n");

        // When
        KernelHeaders found = new KernelHeadersSearch(new SystemHostFiles(host), "x86_64").find(KERNEL);

        // Then
        assertThat(found.release()).isEqualTo(KERNEL);
        assertThat(found.usable()).isTrue();
    }

    @Test
    void headersOfAnotherKernelAreNotUsable() throws IOException {
        // Given
        headers("6.1.0-49-amd64");

        // When
        KernelHeaders found = new KernelHeadersSearch(new SystemHostFiles(host), "x86_64").find(KERNEL);

        // Then
        assertThat(found.release()).isEqualTo("6.1.0-49-amd64");
        assertThat(found.usable()).isFalse();
    }

    private void headers(String release) throws IOException {
        write("Makefile", "");
        write("Module.symvers", "");
        write("include/config/auto.conf", "\n");
        write("include/config/kernel.release", release + "\n");
        write("scripts/basic/fixdep", "");
        write("scripts/mod/modpost", "");
    }

    private void write(String name, String text) throws IOException {
        Path file = host.resolve("lib/modules/" + KERNEL + "/build").resolve(name);
        Files.createDirectories(Objects.requireNonNull(file.getParent()));
        Files.writeString(file, text);
    }
}
