package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.gpunode.agent.config.ServiceProfile.Machine;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.testing.Configs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The units as this machine's systemd reads them; left out, and said so, where there is no systemd-analyze. */
@Timeout(60)
class UnitFilesTest {
    private static final Path UNITS = Path.of("..", "systemd");
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final Pattern EXPOSURE = Pattern.compile("Overall exposure level for \\S+: (\\d+\\.\\d)");
    /** The first that knows every line of the unit, and of the profile. */
    private static final int KNOWS_ALL = 254;

    @TempDir
    private Path directory = Path.of("");

    private int systemd;

    @BeforeEach
    void aSystemdThatCanBeAsked() throws Exception {
        try {
            Matcher version = Pattern.compile("systemd (\\d+)").matcher(analyze("--version"));
            assumeThat(version.find()).as("systemd-analyze tells its version").isTrue();
            systemd = Integer.parseInt(version.group(1));
        } catch (IOException e) {
            assumeThat(e).as("systemd-analyze is not installed").isNull();
        }
        // The programs are checked where the package is installed.
        Files.writeString(
                directory.resolve("gpu-node-agent.service"),
                Files.readString(UNITS.resolve("gpu-node-agent.service"))
                        .replace("/usr/bin/gpu-node-agent", "/bin/true")
                        .replace("/sbin/modprobe", "/bin/true"));
        Files.copy(UNITS.resolve("gpu-node-agent.socket"), directory.resolve("gpu-node-agent.socket"));
    }

    @Test
    void areReadWithoutAWordOrWithTheLinesThatThisSystemdIsTooOldFor() throws Exception {
        // When
        String said = verify("gpu-node-agent.service") + verify("gpu-node-agent.socket");

        // Then
        List<String> unexpected = said.lines()
                .filter(line -> line.contains("gpu-node-agent"))
                .filter(line -> systemd >= KNOWS_ALL
                        || !(line.contains("service type, ignoring: notify-reload")
                                || line.contains("RestartSteps")
                                || line.contains("RestartMaxDelaySec")))
                .toList();
        assertThat(unexpected).isEmpty();
    }

    @Test
    void areReadInTheSameWayWithTheProfileOfAManagedDriver() throws Exception {
        // Given
        String before = verify("gpu-node-agent.service");
        dropIn("GPU_NODE_AGENT_DRIVER_MANAGE=true", "GPU_NODE_AGENT_DRIVER_SOURCE=package");

        // When
        String said = verify("gpu-node-agent.service");

        // Then
        assertThat(said).isEqualTo(before);
    }

    @Test
    void takePathsWithBlanksAndSpecifiersAsTheyAre() throws Exception {
        // Given
        assumeThat(systemd).as("older ones print a command without quotes").isGreaterThanOrEqualTo(252);
        dropIn(
                "GPU_NODE_AGENT_CDI_DIRECTORY=/run/my cdi 100%",
                "GPU_NODE_AGENT_LABELS_SINK=off",
                "GPU_NODE_AGENT_HTTP_LOCAL_SOCKET=/data/a\"b\\c/socket",
                "GPU_NODE_AGENT_KUBELET_DEVICE_PLUGIN_DIRECTORY=/data/my kubelet %h/device-plugins");

        // When
        String said = analyze(
                Map.of("SYSTEMD_LOG_LEVEL", "debug"),
                "verify",
                "--man=no",
                directory.resolve("gpu-node-agent.service").toString());

        // Then
        assertThat(said.lines().map(String::strip))
                .contains(
                        "RuntimeDirectory: my cdi 100%",
                        "ReadWritePaths: -/data/my kubelet %h -/data/a\"b\\c",
                        "Command Line: /bin/mkdir -p \"/data/my kubelet %h/device-plugins\"");
    }

    @Test
    void exposeLittleByDefault() throws Exception {
        // When
        double exposure = exposure();

        // Then
        assertThat(exposure).isLessThanOrEqualTo(2.8);
    }

    @Test
    void exposeLittleMoreWhereTheAgentSplitsGpus() throws Exception {
        // Given
        dropIn("GPU_NODE_AGENT_MIG_MANAGE=true");

        // When
        double exposure = exposure();

        // Then
        assertThat(exposure).isBetween(2.6, 3.1);
    }

    @Test
    void stayConfinedWhereTheAgentManagesTheDriver() throws Exception {
        // Given
        dropIn("GPU_NODE_AGENT_DRIVER_MANAGE=true", "GPU_NODE_AGENT_DRIVER_SOURCE=package");

        // When
        double exposure = exposure();

        // Then
        assertThat(exposure).isBetween(5.0, 6.8);
    }

    /** Behind the unit's own lines, where systemd reads drop-ins. */
    private void dropIn(String... variables) throws IOException {
        Files.write(
                directory.resolve("gpu-node-agent.service"),
                ServiceProfile.dropIn(Configs.of(variables), List.of(), Machine.NEWEST).stream()
                        .map(line -> line.replace("/sbin/modprobe", "/bin/true"))
                        .toList(),
                StandardOpenOption.APPEND);
    }

    private String verify(String unit) throws IOException, InterruptedException {
        return analyze("verify", "--man=no", directory.resolve(unit).toString());
    }

    private double exposure() throws IOException, InterruptedException {
        Matcher figure = EXPOSURE.matcher(analyze(
                "security",
                "--offline=yes",
                "--no-pager",
                directory.resolve("gpu-node-agent.service").toString()));
        assumeThat(figure.find()).as("systemd-analyze security works offline").isTrue();
        return Double.parseDouble(figure.group(1));
    }

    /** What it says on both of its outputs. */
    private static String analyze(String... arguments) throws IOException, InterruptedException {
        return analyze(Map.of(), arguments);
    }

    private static String analyze(Map<String, String> variables, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("systemd-analyze"));
        command.addAll(List.of(arguments));
        CommandRunner.Result result = new SystemCommandRunner().run(command, variables, Path.of("/"), LIMIT, 1 << 20);
        return result.output() + result.error();
    }
}
