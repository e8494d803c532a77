package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.abort;

import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SystemDeviceNodesTest {
    private static final CharacterDevice NULL = new CharacterDevice(1, 3, 0666, 0, 0);

    @TempDir
    Path root;

    private DeviceNodes nodes() {
        return new SystemDeviceNodes(new SystemHostFiles(root));
    }

    /** Making nodes needs CAP_MKNOD and a file system that takes them. */
    private void create(String path, CharacterDevice device) {
        try {
            nodes().create(Path.of(path), device);
        } catch (IOException e) {
            abort("no device nodes can be made here: " + e.getMessage());
        }
    }

    @Test
    void aNodeThatWasMadeIsFoundWithItsNumbersAndModeWhateverTheUmask() throws IOException {
        // Given
        CharacterDevice device = new CharacterDevice(1_234, 70_000, 0642, 7, 9);

        // When
        create("/dev/nvidia-caps/nvidia-cap70000", device);

        // Then
        assertThat(nodes().find(Path.of("/dev/nvidia-caps/nvidia-cap70000"))).hasValue(device);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(root.resolve("dev/nvidia-caps"))))
                .isEqualTo("rwxr-xr-x");
    }

    @Test
    void aNodeOfOtherNumbersIsReplaced() throws IOException {
        // Given
        create("/dev/x", NULL);
        CharacterDevice zero = new CharacterDevice(1, 5, 0600, 0, 0);

        // When
        nodes().create(Path.of("/dev/x"), zero);

        // Then
        assertThat(nodes().find(Path.of("/dev/x"))).hasValue(zero);
        assertThat(root.resolve("dev")).isDirectoryNotContaining("glob:**/.*");
    }

    @Test
    void aNodeStaysWhenTheOneForItsPlaceCannotBeMade() throws IOException {
        // Given: a name so long that none can be made beside it
        String name = "/dev/" + "x".repeat(250);
        create("/dev/x", NULL);
        Files.move(root.resolve("dev/x"), root.resolve(name.substring(1)));

        // When
        assertThatThrownBy(() -> nodes().create(Path.of(name), new CharacterDevice(1, 5, 0600, 0, 0)))
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageNotContaining("CAP_MKNOD");
        assertThat(nodes().find(Path.of(name))).hasValue(NULL);
    }

    @Test
    void aNodeIsFoundThroughALink() throws IOException {
        // Given
        create("/dev/x", NULL);
        nodes().link(Path.of("/dev/char/1:3"), Path.of("../y"));

        // When
        nodes().link(Path.of("/dev/char/1:3"), Path.of("../x"));

        // Then
        assertThat(nodes().find(Path.of("/dev/char/1:3"))).hasValue(NULL);
        assertThat(root.resolve("dev/char")).isDirectoryNotContaining("glob:**/.*");
    }

    @Test
    void somethingElseAtThatPlaceIsNoDeviceAndIsNotReplaced() throws IOException {
        // Given
        Files.createDirectories(root.resolve("dev"));
        Files.writeString(root.resolve("dev/nvidia0"), "kept");

        // When
        assertThatThrownBy(() -> nodes().create(Path.of("/dev/nvidia0"), NULL))
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageContaining("/dev/nvidia0")
                .hasMessageNotContaining("CAP_MKNOD");
        assertThat(nodes().find(Path.of("/dev/nvidia0"))).isEmpty();
        assertThat(root.resolve("dev/nvidia0")).hasContent("kept");
    }

    @Test
    void nothingIsNoDevice() throws IOException {
        // When
        var found = nodes().find(Path.of("/dev/nothing/here"));

        // Then
        assertThat(found).isEmpty();
    }
}
