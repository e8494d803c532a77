package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Over the real kernel, in a mount namespace of its own. */
@Timeout(20)
class SystemMountsTest {
    @TempDir
    Path directory;

    private MountPlace place;
    private Mounts mounts;
    private Path source;
    private Path point;

    @BeforeEach
    void open() throws IOException {
        place = MountPlace.open();
        mounts = place.mounts();
        source = Files.createDirectory(directory.resolve("driver files"));
        point = Files.createDirectory(directory.resolve("point"));
        Files.writeString(source.resolve("file"), "x");
    }

    @AfterEach
    void close() {
        place.close();
    }

    @Test
    void aBoundDirectoryIsSeenAtBothPlacesByTheHostAndNotHere() throws Exception {
        // When
        Mount mount = mounts.bind(source, point);

        // Then
        place.run("test", "-e", point.resolve("file").toString());
        assertThat(point).isEmptyDirectory();
        assertThat(mounts.at(point)).containsExactly(mount);
        assertThat(mount.root().toString()).endsWith("/driver files");
        assertThat(mount.shared()).isFalse();
    }

    @Test
    void aMountIsTakenAwayByItsIdentity() throws Exception {
        // Given
        Mount mount = mounts.bind(source, point);

        // When
        mounts.unmount(mount, false);

        // Then
        assertThat(mounts.find(mount.id())).isEmpty();
        assertThat(mounts.at(point)).isEmpty();
    }

    @Test
    void whatIsMountedOnTopBySomebodyElseIsNotTakenAway() throws Exception {
        // Given
        Mount mount = mounts.bind(source, point);
        place.run("mount", "-t", "tmpfs", "somebody", point.toString());

        // When
        assertThatThrownBy(() -> mounts.unmount(mount, true))
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageContaining("tmpfs somebody");
        assertThat(mounts.at(point)).hasSize(2).first().isEqualTo(mount);
    }

    @Test
    void aMountThatSomebodyUsesStaysAndIsSaidToBeBusy() throws Exception {
        // Given: something is mounted in it, as good as an open file
        Mount mount = mounts.bind(source, point);
        Files.createDirectory(source.resolve("dev"));
        place.run("mount", "-t", "tmpfs", "inner", point.resolve("dev").toString());

        // When
        assertThatThrownBy(() -> mounts.unmount(mount, false))
                // Then
                .isInstanceOf(Mounts.BusyException.class);
        assertThat(mounts.at(point)).containsExactly(mount);
    }

    @Test
    void aBusyMountGoesOutOfSightWhenThatIsEnough() throws Exception {
        // Given
        Mount mount = mounts.bind(source, point);
        Files.createDirectory(source.resolve("dev"));
        place.run("mount", "-t", "tmpfs", "inner", point.resolve("dev").toString());

        // When
        mounts.unmount(mount, true);

        // Then
        assertThat(mounts.all()).noneMatch(each -> each.point().startsWith(point));
    }

    @Test
    void whatIsGoneNeedNotBeTakenAway() throws Exception {
        // Given
        Mount mount = mounts.bind(source, point);
        place.run("umount", point.toString());

        // When
        mounts.unmount(mount, false);

        // Then
        assertThat(mounts.at(point)).isEmpty();
    }

    @Test
    void aDirectoryThatIsNotThereCannotBeBound() {
        // When
        assertThatThrownBy(() -> mounts.bind(directory.resolve("none"), point))
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageContaining("none");
    }

    @Test
    void aSharedMountAndOneThatSharesNothingAreTold() throws Exception {
        // Given
        place.run("mount", "-t", "tmpfs", "own", point.toString());
        place.run("mount", "--make-shared", point.toString());

        // When
        List<Mount> stack = mounts.at(point);

        // Then
        assertThat(stack)
                .singleElement()
                .satisfies(mount -> assertThat(mount.shared()).isTrue());
    }

    @Test
    void aLineThatIsNoMountIsPassedOver() {
        // When
        List<Mount> parsed = SystemMounts.parse("""
                36 35 98:0 /mnt1 /host/mnt2\\040with\\134blank rw,noatime master:1 - ext3 /dev/root rw,errors=continue
                x y 98:0 / /host/a rw - ext4 /dev/sda1 rw
                37 35 98:0 / /elsewhere rw - ext4 /dev/sda1 rw
                38 35
                """, Path.of("/host"));

        // Then
        assertThat(parsed)
                .containsExactly(new Mount(
                        36, 35, "98:0", Path.of("/mnt1"), Path.of("/mnt2 with\\blank"), false, "ext3", "/dev/root"));
    }
}
