package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.driver.DriverSourceException.Kind;
import io.gpunode.agent.driver.PackageManager.Available;
import io.gpunode.agent.os.SystemHostFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What apt is asked, and what is made of its answers: in the words of apt 2.6. */
@Timeout(20)
class AptPackagesTest {
    private static final String NAME = "nvidia-kernel-open-dkms";

    @TempDir
    Path host;

    private final FakeTools tools = new FakeTools();

    @BeforeEach
    void install() throws Exception {
        Files.createDirectories(host.resolve("usr/bin"));
        Files.writeString(host.resolve("usr/bin/apt-get"), "");
        tools.says("apt-cache madison " + NAME, """
                %1$s | 595.71.05-1 | https://repos/debian12  Packages
                %1$s | 580.95.05-1 | https://repos/debian12  Packages
                %1$s | 570.86.15-1 | https://repos/debian12  Packages
                """.formatted(NAME));
    }

    private PackageManager manager() throws Exception {
        Distribution debian = Distribution.parse("ID=debian\nPRETTY_NAME=\"Debian 12\"\n");
        return PackageManager.of(debian, new SystemHostFiles(host), tools, Duration.ofMinutes(2));
    }

    @Test
    void theVersionThatTheHostsPreferencesChooseComesFirst() throws Exception {
        // Given
        tools.says("apt-cache policy " + NAME, """
                %s:
                  Installed: (none)
                  Candidate: 580.95.05-1
                  Version table:
                     595.71.05-1 500
                     580.95.05-1 1000
                """.formatted(NAME));

        // When
        List<Available> versions = manager().versions(NAME);

        // Then
        assertThat(versions).extracting(Available::full).containsExactly("580.95.05-1", "595.71.05-1", "570.86.15-1");
    }

    @Test
    void withoutAPreferenceTheNewestComesFirst() throws Exception {
        // Given
        tools.says("apt-cache policy " + NAME, "%s:\n  Installed: (none)\n  Candidate: (none)\n".formatted(NAME));

        // When
        List<Available> versions = manager().versions(NAME);

        // Then
        assertThat(versions).extracting(Available::full).containsExactly("595.71.05-1", "580.95.05-1", "570.86.15-1");
    }

    @Test
    void aPackageThatAptDoesNotKnowIsNone() throws Exception {
        // Given
        tools.fails("apt-cache madison none", 100, "E: Unable to locate package none");

        // When
        List<Available> versions = manager().versions("none");

        // Then
        assertThat(versions).isEmpty();
    }

    @Test
    void listsThatSomebodyElseReadsAreWaitedFor() throws Exception {
        // Given
        tools.fails(
                "apt-get",
                100,
                "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9701 (apt.systemd.dai)\n"
                        + "E: Unable to lock directory /var/lib/apt/lists/");

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class, () -> manager().refresh());

        // Then
        assertThat(failure).hasMessageContainingAll("somebody else is at the package manager", "process 9701");
        assertThat(failure.kind()).isEqualTo(Kind.BUSY);
    }

    @Test
    void aFullDiskIsNoRepositoryThatDoesNotAnswer() throws Exception {
        // Given
        tools.fails("env", 100, "E: Write error - write (28: No space left on device)");
        Path drafts = Path.of("/var/lib/drafts");
        Files.createDirectories(host.resolve("var/lib/drafts"));

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class, () -> manager().download(new Available(NAME, "580.95.05-1", ""), drafts));

        // Then
        assertThat(failure).hasMessageContainingAll("MiB are free", "driver prune");
        assertThat(failure.kind()).isEqualTo(Kind.STORAGE);
    }

    @Test
    void aRepositoryThatDoesNotAnswerIsNoDisk() throws Exception {
        // Given
        tools.fails(
                "env",
                100,
                "W: Download is performed unsandboxed as root as file '/var/lib/drafts/x.deb' couldn't be accessed by user"
                        + " '_apt'. - pkgAcquire::Run (13: Permission denied)\n"
                        + "E: Failed to fetch x.deb  Connection failed");
        Path drafts = Path.of("/var/lib/drafts");
        Files.createDirectories(host.resolve("var/lib/drafts"));

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class, () -> manager().download(new Available(NAME, "580.95.05-1", ""), drafts));

        // Then
        assertThat(failure).hasMessageEndingWith("Connection failed");
        assertThat(failure.kind()).isEqualTo(Kind.UNREACHABLE);
    }
}
