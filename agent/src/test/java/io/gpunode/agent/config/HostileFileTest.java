package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever bytes the file holds, loading ends with a configuration or with problems, never otherwise. */
@Timeout(60)
class HostileFileTest {
    private static final String GOOD = """
            version: v1
            flags:
              plugin: {deviceListStrategy: [envvar, cdi-cri], passDeviceSpecs: true}
            sampling:
              interval: 5s
            health:
              ignoredXids: [13, 94]
            metrics:
              fields: &f
                - DCGM_FI_DEV_GPU_TEMP
            log: {level: "info"}
            """;

    private static final String ALPHABET = "{}[]:,-?&*!|>'\"%@`#\n\t \\~<=0a.é\u0000\uFEFF";

    @TempDir
    private Path directory = Path.of("");

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void randomBytesNeverBreakTheLoader(long seed) {
        // Given
        Random random = new Random(seed);

        // When
        int answers = 0;
        for (int i = 0; i < 250; i++) {
            byte[] bytes = new byte[random.nextInt(200)];
            random.nextBytes(bytes);
            answers += answers(bytes);
        }

        // Then
        assertThat(answers).isEqualTo(250);
    }

    @ParameterizedTest
    @ValueSource(longs = {5, 6, 7, 8})
    void damagedFilesNeverBreakTheLoader(long seed) {
        // Given
        Random random = new Random(seed);

        // When
        int answers = 0;
        for (int i = 0; i < 250; i++) {
            StringBuilder text = new StringBuilder(GOOD);
            for (int change = random.nextInt(6); change >= 0 && !text.isEmpty(); change--) {
                int at = random.nextInt(text.length());
                switch (random.nextInt(4)) {
                    case 0 -> text.insert(at, ALPHABET.charAt(random.nextInt(ALPHABET.length())));
                    case 1 -> text.deleteCharAt(at);
                    case 2 -> text.setLength(Math.max(1, at));
                    default -> text.insert(at, text.substring(at / 2, at));
                }
            }
            answers += answers(text.toString().getBytes(StandardCharsets.UTF_8));
        }

        // Then
        assertThat(answers).isEqualTo(250);
    }

    private int answers(byte[] bytes) {
        Loading loading = new Loading(directory).file(bytes);
        try {
            loading.load();
            return 1;
        } catch (ConfigException e) {
            return e.problems().isEmpty() ? 0 : 1;
        }
    }
}
