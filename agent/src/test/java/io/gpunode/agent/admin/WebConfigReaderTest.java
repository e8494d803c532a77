package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class WebConfigReaderTest {
    private static final Instant NOW = Instant.parse("2030-01-01T00:00:00Z");
    private static final String SERVER = "tls_server_config: {cert_file: server.pem, key_file: server.key";

    @TempDir
    private Path folder = Path.of("");

    private Report report = new Report(true);

    @Test
    void readsAllThatExporterToolkitKnows() throws IOException {
        // When
        Optional<WebConfig> read = read("""
                tls_server_config:
                  cert_file: server.pem
                  key_file: ./server.key
                  client_auth_type: RequireAndVerifyClientCert
                  client_ca_file: authority.pem
                  client_allowed_sans: [prometheus.example]
                  min_version: TLS12
                  max_version: TLS13
                  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
                  prefer_server_cipher_suites: no
                  curve_preferences: [X25519, CurveP256]
                http_server_config:
                  http2: false
                  headers:
                    X-Frame-Options: deny
                    X-XSS-Protection: 1
                    Strict-Transport-Security: max-age=31536000; includeSubDomains
                basic_auth_users:
                  alice: $2y$04$zmnaJz0NgUGKjV7a8kkPHub5XAnwiQ3EEUyvM5mOWRv548.YgAHcW
                rate_limit: {interval: 250ms, burst: 20}
                """);

        // Then
        assertThat(report.problems()).isEmpty();
        assertThat(report.notices()).isEmpty();
        WebConfig config = read.orElseThrow();
        assertThat(config.tls().orElseThrow().asksClients()).isTrue();
        assertThat(config.tls().get().expires()).isEqualTo("2120-01-01T00:00:00Z");
        assertThat(config.headers())
                .isEqualTo(Map.of(
                        "X-Frame-Options", "deny",
                        "X-XSS-Protection", "1",
                        "Strict-Transport-Security", "max-age=31536000; includeSubDomains"));
        assertThat(config.users()).containsOnlyKeys("alice");
        assertThat(config.rate()).contains(new WebConfig.Rate(Duration.ofMillis(250), 20));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "tls_server_config: {}\n", "basic_auth_users:\nhttp_server_config: {http2: true}\n"})
    void whatAsksForNothingIsPlainHttp(String text) throws IOException {
        // When
        Optional<WebConfig> read = read(text);

        // Then
        assertThat(read).contains(WebConfig.NONE);
        assertThat(report.notices()).isEmpty();
    }

    @Test
    void anEmptyFileIsPlainHttpAtTheStartOnly() throws IOException {
        // When
        Optional<WebConfig> atStart = read("# nothing\n");
        report = new Report(true);
        Optional<WebConfig> later = new WebConfigReader(folder.resolve("web.yml"), report, NOW)
                .read(new WebConfig(Optional.empty(), Map.of("alice", "a hash"), Map.of(), Optional.empty()));

        // Then
        assertThat(atStart).contains(WebConfig.NONE);
        assertThat(later).isEmpty();
        assertThat(problem())
                .contains("nothing stands in it")
                .endsWith("write {} if plain HTTP for everybody is meant");
    }

    /** As half a file looks, or one whose template found no value: it must not end what protects the pages. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    basic_auth_users:                                  | basic_auth_users
                    basic_auth_users: {alice: X}\\ntls_server_config:   | tls_server_config
                    tls_server_config: {cert_file: , key_file: }       | cert_file
                    tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: } | client_auth_type
                    tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem, client_allowed_sans: } | client_allowed_sans
                    http_server_config:                                | http_server_config
                    rate_limit:                                        | rate_limit
                    """)
    void aKeyWithoutAValueEndsNothingThatIsInForce(String text, String key) throws IOException {
        // Given
        WebConfig inForce = read(SERVER
                        + ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem"
                        + ", client_allowed_sans: [prometheus.example]}\nbasic_auth_users: {alice: " + Web.ALICE
                        + "}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1s, burst: 9}\n")
                .orElseThrow();
        Path file = Files.writeString(
                folder.resolve("web.yml"), text.replace("\\n", "\n").replace("X", Web.ALICE));
        report = new Report(true);

        // When
        Optional<WebConfig> later = new WebConfigReader(file, report, NOW).read(inForce);

        // Then
        assertThat(later).isEmpty();
        assertThat(problem()).contains(": " + key + ": has no value, and the configuration in force has one");
    }

    @Test
    void anEmptyBlockEndsWhatIsInForce() throws IOException {
        // Given
        WebConfig inForce =
                read("basic_auth_users: {alice: " + Web.ALICE + "}\n").orElseThrow();
        Path file = Files.writeString(folder.resolve("web.yml"), "basic_auth_users: {}\n");
        report = new Report(true);

        // When
        Optional<WebConfig> later = new WebConfigReader(file, report, NOW).read(inForce);

        // Then
        assertThat(later).contains(WebConfig.NONE);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    tls_server_config: {cert_fiel: a} | web.yml:1:21: tls_server_config: the key "cert_fiel" is not known, did you mean "cert_file"?
                    basic_auth_user: {}               | web.yml:1:1: the key "basic_auth_user" is not known, did you mean "basic_auth_users"?
                    basic_auth_users: {alice: secret} | web.yml:1:27: basic_auth_users.alice: what stands there is not a bcrypt hash
                    basic_auth_users: {alice: }       | web.yml:1:19: basic_auth_users: a user has no hash
                    basic_auth_users: [alice]         | web.yml:1:19: basic_auth_users: is a list, not a block of keys
                    basic_auth_users: {alice: $2y$31$zmnaJz0NgUGKjV7a8kkPHub5XAnwiQ3EEUyvM5mOWRv548.YgAHcW} | web.yml:1:27: basic_auth_users.alice: the cost of the hash is 31
                    rate_limit: {interval: soon}      | web.yml:1:24: rate_limit.interval: "soon" is not a duration up to 1h
                    rate_limit: {interval: 1s}        | web.yml:1:13: rate_limit.burst: is missing: no request would ever be answered
                    rate_limit: {interval: 1s, burst: 0} | web.yml:1:35: rate_limit.burst: "0" is not from 1 to 1000000
                    http_server_config: {http2: maybe} | web.yml:1:29: http2: "maybe" is not a truth value
                    http_server_config: {headers: {X-Frame-Options: allow}} | web.yml:1:49: X-Frame-Options: "allow" is not one of its values
                    http_server_config: {headers: {Server: a}} | web.yml:1:32: headers: the key "Server" is not known
                    tls_server_config: {min_version: TLS12} | web.yml:1:20: tls_server_config: neither cert_file nor cert is given
                    tls_server_config: {cert_file: server.pem} | web.yml:1:20: tls_server_config: neither key_file nor key is given
                    tls_server_config: {cert_file: nowhere.pem, key_file: server.key} | nowhere.pem: cannot be read: it does not exist
                    a: b: c                           | web.yml:1:5: not valid YAML
                    """)
    void aProblemIsToldWithItsPlace(String text, String expected) throws IOException {
        // When
        Optional<WebConfig> read = read(text);

        // Then
        assertThat(read).isEmpty();
        assertThat(problem()).startsWith(folder.resolve(expected.strip()).toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    min_version: TLS14                 | min_version: "TLS14" is not known, did you mean "TLS10"?; write one of TLS10, TLS11, TLS12, TLS13
                    max_version: TLS11                 | max_version: TLS before 1.2 is not spoken; write TLS12 or TLS13
                    min_version: TLS13, max_version: TLS12 | min_version: is newer than max_version; write TLS12, or leave max_version out
                    cipher_suites: [TLS_INVENTED]      | cipher_suites: "TLS_INVENTED" is not known; write one of
                    cipher_suites: TLS_AES_128_GCM_SHA256 | cipher_suites: "TLS_AES_128_GCM_SHA256" is not a list
                    curve_preferences: [CurveP255]     | curve_preferences: "CurveP255" is not known, did you mean "CurveP256"?
                    client_auth_type: RequireSomething | client_auth_type: "RequireSomething" is not known
                    client_ca_file: authority.pem      | tls_server_config: there is a client_ca, and no client is asked for a certificate; write client_auth_type
                    client_allowed_sans: [a]           | tls_server_config: there are client_allowed_sans, and no client is asked for a certificate
                    client_auth_type: VerifyClientCertIfGiven | tls_server_config: clients' certificates are to be verified, and it is not said who signs them
                    'client_auth_type: VerifyClientCertIfGiven, client_ca: nonsense' | tls_server_config: there is no certificate in tls_server_config.client_ca
                    'cert: x'                          | tls_server_config: both cert and cert_file are given; keep one of the two
                    'max_version: TLS12, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]' | tls_server_config: no client could connect
                    """)
    void aProblemOfTlsIsToldWithWhatToDo(String members, String expected) throws IOException {
        // When
        Optional<WebConfig> read = read(SERVER + ", " + members + "}\n");

        // Then
        assertThat(read).isEmpty();
        assertThat(problem()).containsPattern("web.yml:1:\\d+: \\Q" + expected.strip() + "\\E");
    }

    @ParameterizedTest
    @CsvSource({
        "server.pem, server.key",
        "server-rsa.pem, server-rsa.key",
        "server-rsa.pem, server-rsa-pkcs1.key",
        "server-ed25519.pem, server-ed25519.key"
    })
    void takesKeysOfEveryKind(String certificate, String key) throws IOException {
        // When
        Optional<WebConfig> read = read(tls(certificate, key));

        // Then
        assertThat(report.problems()).isEmpty();
        assertThat(read.orElseThrow().tls()).isPresent();
    }

    @ParameterizedTest
    @CsvSource({"server.pem, client.key", "server.pem, server-rsa.key", "server-rsa.pem, server-ed25519.key"})
    void refusesACertificateThatDoesNotMatchItsKey(String certificate, String key) throws IOException {
        // When
        read(tls(certificate, key));

        // Then
        assertThat(problem())
                .contains("is not that of the key in " + folder.resolve(key))
                .contains("subject CN=server")
                .endsWith("name the two that belong together, the server's certificate first in its file");
    }

    @ParameterizedTest
    @ValueSource(strings = {"server-encrypted.key", "server-rsa-encrypted.key"})
    void refusesAnEncryptedKey(String key) throws IOException {
        // When
        read(tls("server.pem", key));

        // Then
        assertThat(problem())
                .contains("the key in " + folder.resolve(key) + " is encrypted")
                .endsWith("openssl pkey -in OLD -out NEW, and let only the agent's user read it");
    }

    @Test
    void takesAnExpiredCertificateWithANotice() throws IOException {
        // When
        Optional<WebConfig> read = read(tls("expired.pem", "expired.key"));

        // Then: what a client says of it is the client's business
        assertThat(read).isPresent();
        assertThat(notice()).contains("has expired at 2021-01-01T00:00:00Z; clients will refuse it");
    }

    @Test
    void noticesAKeyThatEverybodyMayRead() throws IOException {
        // Given
        fixtures();
        Files.setPosixFilePermissions(folder.resolve("server.key"), PosixFilePermissions.fromString("rw-r--r--"));

        // When
        Optional<WebConfig> read = readAsIs(SERVER + "}\n");

        // Then
        assertThat(read).isPresent();
        assertThat(notice()).contains("every user of this machine may read the key in " + folder.resolve("server.key"));
    }

    @Test
    void takesCertificatesAndKeysThatStandInTheFile() throws IOException {
        // When
        Optional<WebConfig> read = read("tls_server_config:\n  cert: " + Web.inline("server.pem") + "  key: "
                + Web.inline("server.key") + "  client_ca: " + Web.inline("authority.pem")
                + "  client_auth_type: RequireAndVerifyClientCert\n");

        // Then
        assertThat(report.problems()).isEmpty();
        assertThat(read.orElseThrow().tls().orElseThrow().asksClients()).isTrue();
    }

    @Test
    void noProblemShowsASecret() throws IOException {
        // Given
        String secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";

        // When
        read("tls_server_config: {cert_file: server.pem, key: '-----BEGIN PRIVATE KEY-----" + secret
                + "-----END PRIVATE KEY-----'}\nbasic_auth_users: {alice: " + secret + ", bob: [" + secret + "]}\n");

        // Then
        assertThat(report.problems())
                .isNotEmpty()
                .noneMatch(problem -> problem.toString().contains(secret));
    }

    private static String tls(String certificate, String key) {
        return "tls_server_config: {cert_file: " + certificate + ", key_file: " + key + "}\n";
    }

    private Optional<WebConfig> read(String text) throws IOException {
        fixtures();
        return readAsIs(text);
    }

    private Optional<WebConfig> readAsIs(String text) throws IOException {
        Path file = Files.writeString(folder.resolve("web.yml"), text);
        return new WebConfigReader(file, report, NOW).read(WebConfig.NONE);
    }

    private void fixtures() throws IOException {
        try (var files = Files.newDirectoryStream(Web.FIXTURES, "*.{pem,key}")) {
            for (Path each : files) {
                Path copy = Files.copy(each, folder.resolve(each.getFileName()));
                Files.setPosixFilePermissions(copy, PosixFilePermissions.fromString("rw-------"));
            }
        }
    }

    private String problem() {
        assertThat(report.problems()).isNotEmpty();
        return report.problems().getFirst().toString();
    }

    private String notice() {
        assertThat(report.problems()).isEmpty();
        return report.notices().stream().map(Problem::toString).reduce("", (a, b) -> a + b);
    }
}
