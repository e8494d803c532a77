package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SystemctlSystemdTest {
    private static final String UNIT = "nvidia-persistenced.service";

    @TempDir
    Path root;

    private final List<String> commands = new ArrayList<>();

    /** As seen from where its own place is not the host's: the first process's has another number. */
    private Systemd systemd(CommandRunner.Result answer) throws IOException {
        Files.createDirectories(root.resolve("run/systemd/system"));
        Files.createDirectories(root.resolve("proc/1/ns"));
        Files.createDirectories(root.resolve("proc/self/ns"));
        link("proc/1/ns/mnt", "mnt:[4026531841]");
        link("proc/self/ns/mnt", "mnt:[4026532000]");
        HostFiles files = new SystemHostFiles(root);
        return new SystemctlSystemd(
                (command, _, _, _, _) -> {
                    commands.add(String.join(" ", command));
                    return answer;
                },
                files,
                files);
    }

    private void link(String path, String target) throws IOException {
        if (!Files.isSymbolicLink(root.resolve(path))) {
            Files.createSymbolicLink(root.resolve(path), Path.of(target));
        }
    }

    private static CommandRunner.Result answer(int status, String output, String error) {
        return new CommandRunner.Result(status, output, error, false, false);
    }

    private static CommandRunner.Result silence() {
        return new CommandRunner.Result(143, "", "", true, false);
    }

    @Test
    void aUnitIsReadAsSystemdTellsIt() throws Exception {
        // Given
        Systemd systemd = systemd(answer(
                0, "MainPID=71\nResult=success\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n", ""));

        // When
        Systemd.Unit unit = systemd.unit(UNIT);

        // Then
        assertThat(unit).isEqualTo(new Systemd.Unit(UNIT, "loaded", "active", "enabled", 71, "success"));
        assertThat(unit.wanted()).isTrue();
        assertThat(commands).singleElement().asString().startsWith("nsenter --mount=/proc/1/ns/mnt -- systemctl show");
    }

    @Test
    void aUnitThatIsOnlyInstalledIsNotWanted() throws Exception {
        // Given
        Systemd systemd = systemd(answer(
                0, "MainPID=0\nResult=success\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n", ""));

        // When
        Systemd.Unit unit = systemd.unit(UNIT);

        // Then
        assertThat(unit.wanted()).isFalse();
    }

    @Test
    void aUnitThatNobodyInstalledIsNotLoaded() throws Exception {
        // Given
        Systemd systemd = systemd(answer(
                0, "MainPID=0\nResult=success\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n", ""));

        // When
        Systemd.Unit unit = systemd.unit(UNIT);

        // Then
        assertThat(unit.loaded()).isFalse();
    }

    @Test
    void systemctlThatHangsIsNotWaitedForLongerThanItsLimit() throws Exception {
        // Given
        Systemd systemd = systemd(silence());

        // When
        assertThatThrownBy(() -> systemd.change(UNIT, true, Duration.ofSeconds(3)))
                // Then
                .isInstanceOf(Systemd.UnansweredException.class)
                .hasMessage("systemctl start nvidia-persistenced.service: no answer in time");
    }

    @Test
    void aUnitThatFailsToStartIsNoFailureOfSystemd() throws Exception {
        // Given
        Systemd systemd = systemd(
                answer(1, "", "Job for " + UNIT + " failed because the control process exited with error code."));

        // When
        systemd.change(UNIT, true, Duration.ofSeconds(3));

        // Then
        assertThat(commands).singleElement().asString().endsWith("systemctl --no-ask-password start -- " + UNIT);
    }

    @Test
    void aBusThatIsNotThereIsSaidSo() throws Exception {
        // Given
        Systemd systemd = systemd(answer(1, "", "Failed to connect to bus: No such file or directory"));

        // When
        assertThatThrownBy(() -> systemd.unit(UNIT))
                // Then
                .isInstanceOf(Systemd.UnansweredException.class)
                .hasMessageContaining("Failed to connect to bus");
    }

    @Test
    void systemctlThatIsMissingIsNotAnswering() throws Exception {
        // Given
        systemd(silence());
        HostFiles files = new SystemHostFiles(root);
        Systemd systemd = new SystemctlSystemd(
                (_, _, _, _, _) -> {
                    throw new IOException("Cannot run program \"systemctl\"");
                },
                files,
                files);

        // When
        assertThatThrownBy(() -> systemd.unit(UNIT))
                // Then
                .isInstanceOf(Systemd.UnansweredException.class)
                .hasMessageContaining("systemctl");
    }

    @Test
    void aHostWithoutSystemdIsNotAsked() throws Exception {
        // Given
        Systemd systemd = systemd(silence());
        Files.delete(root.resolve("run/systemd/system"));

        // When
        boolean present = systemd.present();

        // Then
        assertThat(present).isFalse();
        assertThatThrownBy(() -> systemd.unit(UNIT)).isInstanceOf(Systemd.UnansweredException.class);
        assertThat(commands).isEmpty();
    }

    @Test
    void aProcessIsPutIntoAScopeThatGoesWithIt() throws Exception {
        // Given
        Systemd systemd = systemd(answer(0, "o \"/org/freedesktop/systemd1/job/7\"\n", ""));

        // When
        systemd.setApart(4711, "gpu-node-agent-nvlsm", "NVIDIA nvlsm");

        // Then
        assertThat(commands)
                .singleElement()
                .asString()
                .contains("StartTransientUnit ssa(sv)a(sa(sv)) gpu-node-agent-nvlsm-4711-")
                .endsWith("PIDs au 1 4711 CollectMode s inactive-or-failed 0");
    }
}
