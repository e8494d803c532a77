package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NotDirectoryException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(20)
class WriteFailureTest {
    static Stream<Arguments> failures() {
        return Stream.of(
                Arguments.of(new AccessDeniedException("/var/lib/x"), "/var/lib/x: Permission denied; run it as root"),
                Arguments.of(
                        new FileSystemException("/var/lib/x", null, "Read-only file system"),
                        "/var/lib/x: Read-only file system; see why it is read-only (findmnt -T and the path; dmesg), and"
                                + " mount it so that it can be written"),
                Arguments.of(
                        new IOException("No space left on device"),
                        "No space left on device; make room, for example with: gpu-node-agent driver prune"),
                Arguments.of(new NotDirectoryException("/var/lib"), "NotDirectoryException of /var/lib"),
                Arguments.of(new IOException(), "IOException"),
                Arguments.of(new IOException("something else"), "something else"));
    }

    @ParameterizedTest
    @MethodSource("failures")
    void aFailureIsToldWithItsReasonAndWhatHelps(IOException failure, String told) {
        // When
        String text = WriteFailure.text(failure);

        // Then
        assertThat(text).isEqualTo(told);
    }
}
