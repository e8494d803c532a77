package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class ModuleFileFuzzTest {
    @TempDir
    private Path folder;

    @FuzzTest
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void anyFileIsAModuleOrRefused(byte[] bytes) throws IOException {
        Path path = Files.write(folder.resolve("any.ko"), bytes);
        try (SeekableByteChannel channel = Files.newByteChannel(path)) {
            ModuleFile file = ModuleFile.parse(channel, path);
            assertThat(file.depends()).allSatisfy(name -> assertThat(name).isNotEmpty());
            assertThat(file.softDependencies()).doesNotHaveDuplicates();
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("any.ko");
        }
    }
}
