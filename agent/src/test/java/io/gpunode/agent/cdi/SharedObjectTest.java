package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SharedObjectTest {
    @Test
    void aRealLibrarysNameIsRead() throws IOException {
        // Given
        Path library = Stream.of("/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/lib")
                .map(directory -> Path.of(directory, "libc.so.6"))
                .filter(Files::exists)
                .findFirst()
                .orElse(Path.of("/"));
        assumeTrue(Files.isRegularFile(library), "no C library where one is looked for");

        // When
        SharedObject object;
        try (FileChannel file = FileChannel.open(library)) {
            object = SharedObject.read(file);
        }

        // Then
        assertThat(object.foreign()).isFalse();
        assertThat(object.soname()).hasValue("libc.so.6");
    }
}
