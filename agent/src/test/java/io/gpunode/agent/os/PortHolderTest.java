package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class PortHolderTest {
    private static final String HEADING =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    private static final String CONTAINER = "0123456789abcdef".repeat(4);

    @TempDir
    private Path root = Path.of("");

    @Test
    void ofThisMachineIsTheProcessThatListens() throws Exception {
        try (ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            // When
            Optional<PortHolder> holder = PortHolder.of(new SystemHostFiles(Path.of("/")), listening.getLocalPort());

            // Then
            assertThat(holder)
                    .hasValueSatisfying(found -> assertThat((long) found.pid())
                            .isEqualTo(ProcessHandle.current().pid()));
        }
    }

    @Test
    void inAContainerIsToldWithIt() throws Exception {
        // Given
        listener("/proc/net/tcp6", "24B8", "0A", 777);
        process(4711, "dcgm-exporter", 777);
        write("/proc/4711/cgroup", "0::/system.slice/docker-" + CONTAINER + ".scope\n");

        // When
        Optional<PortHolder> holder = PortHolder.of(new SystemHostFiles(root), 9400);

        // Then
        assertThat(holder.map(PortHolder::text)).hasValue("dcgm-exporter (process 4711, container 0123456789ab)");
    }

    @Test
    void isNobodyWhoOnlyHasAConnection() throws Exception {
        // Given: established
        listener("/proc/net/tcp", "24B8", "01", 777);
        process(4711, "curl", 777);

        // When
        Optional<PortHolder> holder = PortHolder.of(new SystemHostFiles(root), 9400);

        // Then
        assertThat(holder).isEmpty();
        assertThat(PortHolder.taken(new SystemHostFiles(root), 9400)).isFalse();
    }

    @Test
    void thatCannotBeSeenLeavesThePortTaken() throws Exception {
        // Given
        listener("/proc/net/tcp", "24B8", "0A", 777);
        process(4711, "other", 778);

        // When
        boolean taken = PortHolder.taken(new SystemHostFiles(root), 9400);

        // Then
        assertThat(taken).isTrue();
        assertThat(PortHolder.of(new SystemHostFiles(root), 9400)).isEmpty();
    }

    private void listener(String table, String port, String state, int inode) throws Exception {
        write(
                table,
                HEADING + "   0: 00000000000000000000000000000000:" + port
                        + " 00000000000000000000000000000000:0000 " + state
                        + " 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0 100 0 0 10 0\n");
    }

    private void process(int pid, String name, int socket) throws Exception {
        write("/proc/" + pid + "/comm", name + "\n");
        write("/proc/" + pid + "/cgroup", "0::/\n");
        Path descriptors = Files.createDirectories(root.resolve("proc/" + pid + "/fd"));
        Files.createSymbolicLink(descriptors.resolve("3"), Path.of("socket:[" + socket + "]"));
    }

    private void write(String path, String text) throws Exception {
        Path file = root.resolve(path.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
