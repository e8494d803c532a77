package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.testing.RealPrometheus;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A real Prometheus scrapes through TLS, with a password and with a client certificate, and is kept out without. */
@Timeout(60)
class SecureScrapeIT {
    @TempDir
    private Path folder = Path.of("");

    private Web passwords = new Web(folder);
    private Web certificates = new Web(folder);

    @AfterEach
    void stop() {
        passwords.close();
        certificates.close();
    }

    @Test
    void whoIsKnownScrapesAndWhoIsNotDoesNot() throws Exception {
        // Given
        passwords = web("passwords", "basic_auth_users: {alice: " + Web.ALICE + "}\n", "");
        certificates = web(
                "certificates",
                "",
                ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem,"
                        + " client_allowed_sans: [prometheus.example]");
        Path own = Files.createDirectory(folder.resolve("prometheus"));
        for (String name : new String[] {"authority.pem", "client.pem", "client.key", "stranger.pem", "stranger.key"}) {
            Files.copy(Web.FIXTURES.resolve(name), own.resolve(name));
        }

        // When
        try (RealPrometheus prometheus =
                RealPrometheus.start(own, """
                scrape_configs:
                  - job_name: password
                    scheme: https
                    tls_config: {ca_file: authority.pem}
                    basic_auth: {username: alice, password: correct horse}
                    static_configs: [{targets: ['%1$s']}]
                  - job_name: wrong-password
                    scheme: https
                    tls_config: {ca_file: authority.pem}
                    basic_auth: {username: alice, password: wrong}
                    static_configs: [{targets: ['%1$s']}]
                  - job_name: plain
                    static_configs: [{targets: ['%1$s']}]
                  - job_name: certificate
                    scheme: https
                    tls_config: {ca_file: authority.pem, cert_file: client.pem, key_file: client.key}
                    static_configs: [{targets: ['%2$s']}]
                  - job_name: stranger
                    scheme: https
                    tls_config: {ca_file: authority.pem, cert_file: stranger.pem, key_file: stranger.key}
                    static_configs: [{targets: ['%2$s']}]
                """.formatted(address(passwords), address(certificates)))) {

            // Then
            Map<String, String> expected = new TreeMap<>(
                    Map.of("password", "1", "wrong-password", "0", "plain", "0", "certificate", "1", "stranger", "0"));
            Eventually.within(Duration.ofSeconds(20), () -> {
                Map<String, String> up = new TreeMap<>();
                prometheus.query("up").forEach((labels, value) -> up.put(labels.getOrDefault("job", ""), value));
                return up.equals(expected) ? "" : up.toString();
            });
            assertThat(prometheus.query("answered_total").keySet())
                    .extracting(labels -> labels.get("job"))
                    .containsExactlyInAnyOrder("password", "certificate");
        }
    }

    private Web web(String name, String more, String tls) throws Exception {
        Path home = Files.createDirectory(folder.resolve(name));
        Web web = new Web(home)
                .copy("server.pem", "server.pem")
                .copy("server.key", "server.key")
                .copy("authority.pem", "authority.pem")
                .write("tls_server_config: {cert_file: server.pem, key_file: server.key" + tls + "}\n" + more);
        return web.start(
                Page.of("text/plain; version=0.0.4", body -> body.write("answered_total 1\n")), Duration.ofSeconds(5));
    }

    private static String address(Web web) {
        return "127.0.0.1:" + web.server().address().getPort();
    }
}
