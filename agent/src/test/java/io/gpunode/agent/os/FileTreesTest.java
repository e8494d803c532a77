package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class FileTreesTest {
    @TempDir
    Path folder;

    @Test
    void allOfATreeIsToldAndLinksAreNotFollowed() throws Exception {
        // Given
        Path below = Files.createDirectories(folder.resolve("tree/below"));
        Path file = Files.writeString(below.resolve("file"), "x");
        Path link = Files.createSymbolicLink(folder.resolve("tree/link"), Path.of("below"));

        // When
        List<Path> all = FileTrees.all(folder.resolve("tree"));

        // Then
        assertThat(all).containsExactlyInAnyOrder(folder.resolve("tree"), below, file, link);
    }

    @Test
    void aDirectoryThatCannotBeReadIsAFailureToRead() throws Exception {
        // Given
        String deep = "d=$(printf 'd%.0s' $(seq 250)); for i in $(seq 20); do mkdir $d && cd $d || exit 1; done";
        assertThat(bash("cd '" + folder + "' && mkdir tree && cd tree && " + deep))
                .isZero();
        try {
            // When
            assertThatThrownBy(() -> FileTrees.all(folder.resolve("tree")))
                    // Then
                    .isInstanceOf(IOException.class);
        } finally {
            assertThat(bash("rm -rf '" + folder + "/tree'")).isZero();
        }
    }

    private static int bash(String text) throws IOException, InterruptedException {
        return new SystemCommandRunner()
                .run(List.of("bash", "-c", text), Duration.ofSeconds(10), 1_000)
                .status();
    }
}
