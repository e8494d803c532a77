package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import io.netty.channel.embedded.EmbeddedChannel;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where the server listens, and who reaches it there. */
@Timeout(30)
class ListeningTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    @TempDir
    private Path folder = Path.of("");

    private AdminServer server = server("", "127.0.0.1:0");

    @AfterEach
    void stop() {
        server.stop(LIMIT);
    }

    @ParameterizedTest
    @CsvSource({
        "':0',         127.0.0.1, true",
        "':0',         ::1,       true",
        "'[::]:0',     127.0.0.1, true",
        "'[::]:0',     ::1,       true",
        "'0.0.0.0:0',  127.0.0.1, true",
        "'[::1]:0',    ::1,       true",
        "'[::1]:0',    127.0.0.1, false",
        "'127.0.0.1:0', ::1,      false",
        "'localhost:0', 127.0.0.1, true",
    })
    void answersOnWhatItListensOn(String listen, String client, boolean reached) throws IOException {
        // Given
        assumeThat(hasIpv6() || (client.indexOf(':') < 0 && listen.indexOf('[') < 0))
                .as("this machine has IPv6")
                .isTrue();
        server = server("", listen);
        server.start();

        // When
        String answer = ask(new InetSocketAddress(client, server.address().getPort()));

        // Then
        assertThat(answer.startsWith("HTTP/1.1 200")).isEqualTo(reached);
    }

    @Test
    void answersOnSeveralAddresses() throws IOException {
        // Given
        server = server("", "127.0.0.1:0", "127.0.0.2:0");

        // When
        server.start();

        // Then
        assertThat(server.addresses())
                .hasSize(2)
                .allSatisfy(address -> assertThat(ask(address)).startsWith("HTTP/1.1 200"));
    }

    @Test
    void listensOnNoneWhenOneOfTheAddressesIsTaken() throws IOException {
        // Given
        server.start();
        AdminServer second =
                server("", "127.0.0.2:0", "127.0.0.1:" + server.address().getPort());

        // When / Then
        assertThatThrownBy(second::start).hasMessageStartingWith("address in use: 127.0.0.1:");
        second.stop(LIMIT);
    }

    @Test
    void takesNoHalfOfAPortThatSomebodyElseHolds() throws IOException {
        // Given
        assumeThat(hasIpv6()).as("this machine has IPv6").isTrue();
        try (ServerSocket holder = new ServerSocket(0, 1, InetAddress.ofLiteral("::1"))) {
            server = server("", ":" + holder.getLocalPort());

            // When / Then
            assertThatThrownBy(server::start).hasMessageStartingWith("address in use: [::]:" + holder.getLocalPort());
        }
    }

    @Test
    void listensOnALinkLocalAddressWithItsZone() throws IOException {
        // Given
        String address = linkLocal();
        assumeThat(address).as("a link-local IPv6 address of this machine").isNotEmpty();
        server = server("", "[" + address + "]:0");

        // When
        server.start();

        // Then
        assertThat(ask(server.address())).startsWith("HTTP/1.1 200");
    }

    @ParameterizedTest
    @CsvSource({
        "'[fe80::1%nosuch0]:0', this machine has no such network interface",
        "'no.such.host.invalid:0', its host name is not known on this machine",
        "'192.0.2.1:0', this machine has no such address; see which it has: ip address",
    })
    void saysWhyItCannotListen(String listen, String why) {
        // Given
        server = server("", listen);

        // When / Then
        assertThatThrownBy(server::start).hasMessageContaining(why);
    }

    @Test
    void answersCommandsOfItsOwnUserWithoutTlsAndPassword() throws IOException {
        // Given
        Path web = Files.writeString(folder.resolve("web.yml"), "basic_auth_users: {alice: " + Web.ALICE + "}\n");
        server = server(web.toString(), "127.0.0.1:0");

        // When
        server.start();

        // Then
        Path socket = folder.resolve("run").resolve("http.sock");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rw-------");
        assertThat(askLocally(socket)).startsWith("HTTP/1.1 200").contains("\"users\": 1");
        assertThat(ask(server.address())).startsWith("HTTP/1.1 401");
    }

    @Test
    void takesTheLocalSocketsPlaceWhenOneIsLeftBehind() throws IOException {
        // Given
        Path socket = Files.createDirectory(folder.resolve("run")).resolve("http.sock");
        try (ServerSocketChannel left = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            left.bind(UnixDomainSocketAddress.of(socket));
        }
        server = server(webConfig(), "127.0.0.1:0");

        // When
        server.start();

        // Then
        assertThat(askLocally(socket)).startsWith("HTTP/1.1 200");
        assertThat(folder.resolve("run").toFile().list()).containsExactly("http.sock");
        server.stop(LIMIT);
        assertThat(socket).doesNotExist();
    }

    @Test
    void leavesAloneWhatIsNoSocket() throws IOException {
        // Given
        Path file =
                Files.writeString(Files.createDirectory(folder.resolve("run")).resolve("http.sock"), "precious");
        server = server(webConfig(), "127.0.0.1:0");

        // When
        server.start();

        // Then
        assertThat(file).hasContent("precious");
        assertThat(ask(server.address())).startsWith("HTTP/1.1 200");
    }

    @Test
    void leavesTheLocalSocketToTheAgentThatListensOnIt() throws IOException {
        // Given
        Path socket = folder.resolve("run").resolve("http.sock");
        server = server(webConfig(), "127.0.0.1:0");
        server.start();
        AdminServer second = server(webConfig(), "127.0.0.1:0");

        // When
        second.start();
        second.stop(LIMIT);

        // Then
        assertThat(askLocally(socket)).startsWith("HTTP/1.1 200");
    }

    @Test
    void aLocalSocketThatCannotBeMadeSafeIsNotListenedOn() throws IOException {
        // Given
        Path socket = Files.createDirectory(folder.resolve("run")).resolve("http.sock");
        EmbeddedChannel channel = new EmbeddedChannel();

        // When / Then: the binding leaves nothing there whose mode could be set
        assertThatThrownBy(() -> LocalSocket.open(socket, _ -> channel)).isInstanceOf(IOException.class);
        assertThat(channel.isOpen()).isFalse();
        assertThat(folder.resolve("run")).isEmptyDirectory();
    }

    private String webConfig() throws IOException {
        return Files.writeString(folder.resolve("web.yml"), "{}").toString();
    }

    private AdminServer server(String web, String... listen) {
        return new AdminServer(
                new AgentConfig.Http(List.of(listen), false, folder + "/run/http.sock", web, LIMIT, LIMIT, 16),
                new AdminStates(Snapshots.t4().build()).build(SystemTime.monotonic()),
                Page.of("text/plain", body -> body.write("up 1\n")),
                Meters.NONE,
                SystemTime.wall());
    }

    private static String ask(InetSocketAddress address) throws IOException {
        try (Socket socket = new Socket()) {
            socket.setSoTimeout(10_000);
            socket.connect(address, 10_000);
            return Web.get(socket, "/metrics", "");
        } catch (SocketException e) {
            return "not reached: " + e.getMessage();
        }
    }

    private static String askLocally(Path socket) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            channel.write(ByteBuffer.wrap("GET /state HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII)));
            return new String(Channels.newInputStream(channel).readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static boolean hasIpv6() {
        try {
            return NetworkInterface.getByInetAddress(InetAddress.ofLiteral("::1")) != null;
        } catch (IOException e) {
            return false;
        }
    }

    private static String linkLocal() throws SocketException {
        return NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(address -> address instanceof Inet6Address && address.isLinkLocalAddress())
                .map(InetAddress::getHostAddress)
                .findFirst()
                .orElse("");
    }
}
