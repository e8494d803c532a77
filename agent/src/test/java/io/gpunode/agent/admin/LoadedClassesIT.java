package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the HTTP server loads, in a process of its own. */
@Timeout(60)
class LoadedClassesIT {
    private static final String NEEDED_BY_A_WEB_CONFIGURATION =
            "at\\.favre\\..*|io\\.netty\\.handler\\.ssl\\..*|javax\\.net\\.ssl\\..*|javax\\.crypto\\.(Mac|Cipher).*|org\\.snakeyaml\\..*"
                    + "|io\\.gpunode\\.agent\\.admin\\.(WebConfig[RK].*|ServerTls.*|Tls.*|ClientCertificates|PasswordCheck.*|Credentials|RequestRate)"
                    + "|io\\.gpunode\\.agent\\.net\\.Pem.*";

    @TempDir
    private Path folder = Path.of("");

    @Test
    void withoutAWebConfigurationNothingOfItIsLoaded() throws Exception {
        // When
        List<String> loaded = loaded();

        // Then
        assertThat(loaded.contains("io.gpunode.agent.admin.HttpConnection")).isTrue();
        assertThat(loaded.stream().filter(name -> name.matches(NEEDED_BY_A_WEB_CONFIGURATION)))
                .isEmpty();
    }

    @Test
    void withUsersNothingOfTlsIsLoaded() throws Exception {
        // Given
        Path file = Files.writeString(folder.resolve("web.yml"), "basic_auth_users: {alice: " + Web.ALICE + "}\n");

        // When
        List<String> loaded = loaded(file.toString());

        // Then
        assertThat(loaded.contains("io.gpunode.agent.admin.WebConfigReader")).isTrue();
        assertThat(loaded.stream()
                        .filter(name -> name.matches("(io\\.netty\\.handler|javax\\.net)\\.ssl\\..*|.*\\.ServerTls.*")))
                .isEmpty();
    }

    private List<String> loaded(String... arguments) throws IOException, InterruptedException {
        Path log = folder.resolve("classes");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xlog:class+load=info:file=" + log + ":none",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                PlainServer.class.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("output").toFile())
                .start();
        assertThat(process.waitFor(50, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue())
                .as(Files.readString(folder.resolve("output")))
                .isZero();
        List<String> names = new ArrayList<>();
        for (String line : Files.readAllLines(log)) {
            int end = line.indexOf(" source:");
            if (end > 0) {
                names.add(line.substring(0, end));
            }
        }
        return names;
    }
}
