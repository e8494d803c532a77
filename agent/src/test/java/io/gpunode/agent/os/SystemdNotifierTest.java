package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import com.sun.jna.LastErrorException;
import io.gpunode.agent.time.ManualTime;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class SystemdNotifierTest {
    @TempDir
    private Path directory;

    private final ManualTime time = new ManualTime();
    private int descriptor = -1;

    @AfterEach
    void closeSocket() {
        if (descriptor >= 0) {
            LibC.close(descriptor);
        }
    }

    @Test
    void aPathReceivesReady() {
        // Given
        String socket = listen(directory.resolve("notify").toString());

        // When
        notifier(Map.of("NOTIFY_SOCKET", socket)).ready();

        // Then
        assertThat(receive()).isEqualTo("READY=1");
    }

    @Test
    void anAbstractNameReceivesStatusOnOneLine() {
        // Given
        String socket = listen("@gpu-node-agent-test-" + ProcessHandle.current().pid());

        // When
        notifier(Map.of("NOTIFY_SOCKET", socket)).status("8 GPUs\nall well");

        // Then
        assertThat(receive()).isEqualTo("STATUS=8 GPUs all well");
    }

    @Test
    void reloadingCarriesTheMonotonicTime() {
        // Given
        String socket = listen(directory.resolve("notify").toString());

        // When
        notifier(Map.of("NOTIFY_SOCKET", socket)).reloading();

        // Then
        assertThat(receive())
                .isEqualTo("RELOADING=1\nMONOTONIC_USEC=" + time.now().nanos() / 1000);
    }

    @Test
    void watchdogIsFedTwiceInWhatSystemdWaits() {
        // When
        SystemdNotifier notifier =
                notifier(Map.of("NOTIFY_SOCKET", "/run/systemd/notify", "WATCHDOG_USEC", "30000000"));

        // Then
        assertThat(notifier.watchdogInterval()).contains(Duration.ofSeconds(15));
    }

    @Test
    void aWatchdogForAnotherProcessIsNotOurs() {
        // When
        SystemdNotifier notifier = notifier(
                Map.of("NOTIFY_SOCKET", "/run/systemd/notify", "WATCHDOG_USEC", "30000000", "WATCHDOG_PID", "1"));

        // Then
        assertThat(notifier.watchdogInterval()).isEmpty();
    }

    @Test
    void aWatchdogTimeThatIsNoNumberIsNone() {
        // When
        SystemdNotifier notifier = notifier(Map.of("NOTIFY_SOCKET", "/run/systemd/notify", "WATCHDOG_USEC", "soon"));

        // Then
        assertThat(notifier.watchdogInterval()).isEmpty();
    }

    @Test
    void aSocketThatIsNotThereHarmsNothing() {
        // Given
        SystemdNotifier notifier =
                notifier(Map.of("NOTIFY_SOCKET", directory.resolve("none").toString()));

        // When / Then
        assertThatCode(notifier::stopping).doesNotThrowAnyException();
    }

    @Test
    void withoutASocketNobodyIsNotified() {
        // When
        SystemdNotifier notifier = notifier(Map.of());

        // Then
        assertThat(notifier).isSameAs(SilentNotifier.INSTANCE);
    }

    @Test
    void anAddressThatIsNoUnixSocketIsRefused() {
        assertThat(notifier(Map.of("NOTIFY_SOCKET", "vsock:2:1234"))).isSameAs(SilentNotifier.INSTANCE);
        assertThat(notifier(Map.of("NOTIFY_SOCKET", "/" + "x".repeat(107)))).isSameAs(SilentNotifier.INSTANCE);
    }

    private SystemdNotifier notifier(Map<String, String> environment) {
        return SystemdNotifier.of(environment, 4711, time);
    }

    private String listen(String socket) {
        descriptor = LibC.socket(LibC.AF_UNIX, LibC.SOCK_DGRAM | LibC.SOCK_CLOEXEC, 0);
        byte[] address = SystemdSocketNotifier.address(socket);
        LibC.bind(descriptor, address, address.length);
        return socket;
    }

    /** A unix datagram is in the receiver's queue when the send has returned, so nothing has to wait. */
    private String receive() throws LastErrorException {
        byte[] buffer = new byte[1024];
        int length = (int) LibC.recv(descriptor, buffer, buffer.length, LibC.MSG_DONTWAIT);
        return new String(buffer, 0, length, StandardCharsets.UTF_8);
    }
}
