package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.driver.DriverSourceException.Kind;
import io.gpunode.agent.driver.PackageManager.Available;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What dnf and zypper are asked, and what is made of their answers. */
@Timeout(20)
class RpmPackagesTest {
    private static final String ROCKY = "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"Rocky Linux 9.4\"\n";
    private static final String SUSE = "ID=sles\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP6\"\n";
    private static final Path FETCHED = Path.of("/var/lib/drafts/1");

    @TempDir
    Path host;

    private final FakeTools tools = new FakeTools();

    @BeforeEach
    void install() throws Exception {
        Files.createDirectories(host.resolve("usr/bin"));
        for (String program : List.of("dnf", "zypper")) {
            Files.writeString(host.resolve("usr/bin/" + program), "");
        }
    }

    private PackageManager manager(String release) throws Exception {
        return PackageManager.of(Distribution.parse(release), new SystemHostFiles(host), tools, Duration.ofMinutes(2));
    }

    // ---- dnf

    @Test
    void dnfIsAskedForEveryVersionAndTheNewestComesFirstWhateverItsOrder() throws Exception {
        // Given
        tools.says("dnf", """
                nvidia-driver-cuda-libs 3:570.124.06-1.el9 x86_64
                nvidia-driver-cuda-libs 3:570.86.15-1.el9 i686
                nvidia-driver-cuda-libs 3:570.86.15-1.el9 x86_64

                nvidia-driver-cuda-libs 3:575.57.08-1.el9 x86_64
                nvidia-driver-cuda-libs 3:575.57.08-2.el9 x86_64
                Last metadata expiration check: 0:01:02 ago
                """);

        // When
        List<Available> versions = manager(ROCKY).versions("nvidia-driver-cuda-libs");

        // Then
        assertThat(versions)
                .extracting(Available::full)
                .containsExactly("3:575.57.08-2.el9", "3:575.57.08-1.el9", "3:570.124.06-1.el9", "3:570.86.15-1.el9");
        assertThat(tools.commands)
                .containsExactly("dnf -q -y --setopt=timeout=120 --setopt=retries=3 repoquery"
                        + " --queryformat %{name} %{epoch}:%{version}-%{release} %{arch}\n nvidia-driver-cuda-libs");
    }

    @Test
    void dnfFetchesExactlyTheChosenOneAndInstallsNothing() throws Exception {
        // Given
        tools.says("dnf", "");

        // When
        manager(ROCKY).download(new Available("kmod-nvidia-open-dkms", "3:575.57.08-1.el9", "noarch"), FETCHED);

        // Then
        assertThat(tools.commands)
                .containsExactly("dnf -q -y --setopt=timeout=120 --setopt=retries=3 download --destdir " + FETCHED
                        + " kmod-nvidia-open-dkms-575.57.08-1.el9.noarch");
    }

    @Test
    void dnfReadsTheRepositoriesAnew() throws Exception {
        // Given
        tools.says("dnf", "");

        // When
        manager(ROCKY).refresh();

        // Then
        assertThat(tools.commands)
                .containsExactly("dnf -q -y --setopt=timeout=120 --setopt=retries=3 makecache --refresh");
    }

    // ---- zypper

    @Test
    void zyppersTableIsReadAndTheNewestComesFirst() throws Exception {
        // Given
        tools.says("zypper", """

                S | Name               | Type    | Version          | Arch   | Repository
                --+--------------------+---------+------------------+--------+-----------
                v | nvidia-compute-G06 | package | 570.86.15-lp156  | x86_64 | NVIDIA
                v | nvidia-compute-G06 | package | 570.124.06-lp156 | x86_64 | NVIDIA
                  | nvidia-compute-G06 | package | 575.57.08-lp156  | i586   | NVIDIA
                  | nvidia-compute-G06-32bit | package | 580.65.06-lp156 | x86_64 | NVIDIA
                """);

        // When
        List<Available> versions = manager(SUSE).versions("nvidia-compute-G06");

        // Then
        assertThat(versions).extracting(Available::full).containsExactly("570.124.06-lp156", "570.86.15-lp156");
        assertThat(versions).extracting(Available::upstream).containsExactly("570.124.06", "570.86.15");
        assertThat(tools.commands)
                .containsExactly("zypper --non-interactive --quiet --ignore-unknown search --details --match-exact"
                        + " --type package nvidia-compute-G06");
    }

    @Test
    void aPackageThatZypperDoesNotKnowIsNone() throws Exception {
        // Given
        tools.fails("zypper", 104, "No matching items found.");

        // When
        List<Available> versions = manager(SUSE).versions("nvidia-gl-G06");

        // Then
        assertThat(versions).isEmpty();
    }

    @Test
    void zypperFetchesEachIntoADirectoryOfItsOwn() throws Exception {
        // Given
        tools.says("zypper", "");

        // When
        manager(SUSE).download(new Available("nvidia-compute-G06", "570.86.15-lp156", "x86_64"), FETCHED);

        // Then
        assertThat(tools.commands)
                .containsExactly("zypper --non-interactive --quiet --pkg-cache-dir " + FETCHED
                        + "/nvidia-compute-G06 download nvidia-compute-G06=570.86.15-lp156");
    }

    @Test
    void whatLiesBelowIsFoundToo() throws Exception {
        // Given
        Path below = host.resolve("var/lib/drafts/1/nvidia-compute-G06/NVIDIA/x86_64");
        Files.createDirectories(below);
        Files.writeString(below.resolve("nvidia-compute-G06.rpm"), "x");
        Files.writeString(below.resolve("nvidia-compute-G06.rpm.lock"), "x");

        // When
        List<Path> packages = manager(SUSE).packages(FETCHED);

        // Then
        assertThat(packages)
                .containsExactly(FETCHED.resolve("nvidia-compute-G06/NVIDIA/x86_64/nvidia-compute-G06.rpm"));
    }

    // ---- both

    @Test
    void anRpmIsUnpackedWithoutItsScripts() throws Exception {
        // Given
        tools.says("sh", "");

        // When
        manager(SUSE).unpack(FETCHED.resolve("one.rpm"), Path.of("/var/lib/drafts/2"));

        // Then
        assertThat(tools.commands)
                .singleElement()
                .asString()
                .contains("rpm2cpio \"$1\"", "--no-absolute-filenames")
                .endsWith(" sh " + FETCHED + "/one.rpm /var/lib/drafts/2")
                .doesNotContain(" -i ", "install");
    }

    @ParameterizedTest
    @CsvSource({
        "ID=rocky, dnf, 1, Error: Failed to download metadata for repo 'cuda-rhel9-x86_64'",
        "ID=sles, zypper, 6, Repository 'NVIDIA' is invalid."
    })
    void aFailureIsToldWithTheProgramItsStatusAndItsWords(String release, String program, int status, String said)
            throws Exception {
        // Given
        tools.fails(program, status, said);
        PackageManager manager = manager(release + "\n");

        // When
        DriverSourceException failure =
                catchThrowableOfType(DriverSourceException.class, () -> manager.versions("nvidia-compute-G06"));

        // Then
        assertThat(failure)
                .hasMessage("looking for the package nvidia-compute-G06 failed: " + program + " ended with status "
                        + status + ": " + said);
        assertThat(failure.kind()).isEqualTo(Kind.FAILED);
    }

    @Test
    void zypperThatSomebodyElseIsAtIsWaitedFor() throws Exception {
        // Given
        tools.fails("zypper", 7, "System management is locked by the application with pid 812 (zypper).");

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class, () -> manager(SUSE).refresh());

        // Then
        assertThat(failure).hasMessageContaining("application with pid 812 (zypper)");
        assertThat(failure.kind()).isEqualTo(Kind.BUSY);
    }

    @Test
    void aFullDiskIsNoDamageOfThePackage() throws Exception {
        // Given
        tools.fails("sh", 2, "cpio: write error: No space left on device");
        PackageManager manager = manager(ROCKY);
        Files.createDirectories(host.resolve("var/lib/drafts/2"));

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class,
                () -> manager.unpack(FETCHED.resolve("one.rpm"), Path.of("/var/lib/drafts/2")));

        // Then
        assertThat(failure).hasMessageContainingAll("No space left on device", "driver prune");
        assertThat(failure.kind()).isEqualTo(Kind.STORAGE);
    }

    @Test
    void aManagerThatDoesNotEndIsSaidToHaveBeenEnded() throws Exception {
        // Given
        tools.does("dnf", _ -> new CommandRunner.Result(137, "", "waiting for the lock", true, false));

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class, () -> manager(ROCKY).refresh());

        // Then
        assertThat(failure).hasMessageContainingAll("did not end in 2 hours and was ended", "waiting for the lock");
        assertThat(failure.kind()).isEqualTo(Kind.UNREACHABLE);
    }

    @ParameterizedTest
    @CsvSource({
        "ID=rocky, dnf, Curl error (28): Timeout was reached, fetching the package a 1-1 failed",
        "ID=sles, zypper, Download (curl) error for 'https://mirror', fetching the package a 1-1 failed"
    })
    void aRepositoryThatDoesNotAnswerIsPassing(String release, String program, String said, String told)
            throws Exception {
        // Given
        tools.fails(program, 8, said);
        PackageManager manager = manager(release + "\n");

        // When
        DriverSourceException failure = catchThrowableOfType(
                DriverSourceException.class, () -> manager.download(new Available("a", "1-1", "noarch"), FETCHED));

        // Then
        assertThat(failure).hasMessageContainingAll(told, said);
        assertThat(failure.kind()).isEqualTo(Kind.UNREACHABLE);
    }

    @ParameterizedTest
    @CsvSource({"ID=amzn, dnf, amzn", "ID=opensuse-leap, zypper, opensuse-leap"})
    void aSystemWithoutItsManagerIsTold(String release, String program, String name) throws Exception {
        // Given
        Files.delete(host.resolve("usr/bin/" + program));

        // When
        DriverSourceException failure =
                catchThrowableOfType(DriverSourceException.class, () -> manager(release + "\n"));

        // Then
        assertThat(failure)
                .hasMessage("driver.source: package needs " + program + ", which " + name + " does not have");
    }
}
