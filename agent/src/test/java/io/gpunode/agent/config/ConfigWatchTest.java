package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class ConfigWatchTest {
    private final ManualTime time = new ManualTime();

    @TempDir
    private Path directory = Path.of("");

    private Path file = Path.of("");

    @BeforeEach
    void write() throws IOException {
        file = Files.writeString(directory.resolve("config.yaml"), "log: {level: info}\n");
    }

    private FileStamps stamps() {
        return new FileStamps(Map.of(file, FileStamps.of(file)));
    }

    @Test
    void nothingHasChangedWhileTheFileIsAsItWasRead() {
        // Given
        ConfigWatch watch = new ConfigWatch(stamps(), time);
        time.advance(Duration.ofHours(1));

        // When
        boolean changed = watch.changed();

        // Then
        assertThat(changed).isFalse();
        assertThat(watch.pause()).isEqualTo(ConfigWatch.PAUSE);
    }

    @Test
    void aChangeCountsOnceItHasSettled() throws Exception {
        // Given
        ConfigWatch watch = new ConfigWatch(stamps(), time);
        Files.writeString(file, "log: {level: warn}\n");
        assertThat(watch.changed()).isFalse();
        assertThat(watch.pause()).isEqualTo(ConfigWatch.SETTLED);
        time.advance(ConfigWatch.SETTLED);

        // When
        boolean changed = watch.changed();

        // Then
        assertThat(changed).isTrue();
    }

    @Test
    void aFileThatIsStillBeingWrittenIsWaitedFor() throws Exception {
        // Given
        ConfigWatch watch = new ConfigWatch(stamps(), time);
        Files.writeString(file, "");
        assertThat(watch.changed()).isFalse();
        time.advance(ConfigWatch.SETTLED);
        Files.writeString(file, "log: {level: debug}\n");

        // When
        boolean changed = watch.changed();

        // Then
        assertThat(changed).isFalse();
    }

    @Test
    void whatHasBeenReadDoesNotCountAgain() throws Exception {
        // Given
        ConfigWatch watch = new ConfigWatch(stamps(), time);
        Files.writeString(file, "log: {level: warn}\n");
        watch.changed();
        time.advance(ConfigWatch.SETTLED);
        watch.read(stamps());

        // When
        boolean changed = watch.changed();

        // Then
        assertThat(changed).isFalse();
    }

    @Test
    void aFileThatAppearsAndOneThatVanishesAreChanges() throws Exception {
        // Given
        FileStamps present = stamps();
        Files.delete(file);
        FileStamps absent = stamps();

        // When
        FileStamps now = present.now();

        // Then
        assertThat(now).isEqualTo(absent).isNotEqualTo(present);
    }

    @Test
    void aChangeThatKeepsSizeAndTimeOfModificationIsSeen() throws Exception {
        // Given
        FileTime modified = Files.getLastModifiedTime(file);
        FileStamps before = stamps();
        Path copy = Files.writeString(directory.resolve("copy"), "log: {level: warn}\n");
        Files.setLastModifiedTime(copy, modified);

        // When
        Files.move(copy, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);

        // Then
        assertThat(before.now()).isNotEqualTo(before);
    }
}
