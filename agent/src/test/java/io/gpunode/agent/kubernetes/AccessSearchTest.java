package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AccessSearchTest {
    private static final Map<String, String> POD =
            Map.of("KUBERNETES_SERVICE_HOST", "10.96.0.1", "KUBERNETES_SERVICE_PORT", "443");

    @TempDir
    Path own;

    @TempDir
    Path host;

    private Optional<ApiAccess> find(String kubeconfig, Map<String, String> environment) throws AccessException {
        return new AccessSearch(
                        new AgentConfig.Kubernetes(AgentConfig.ApiServer.AUTO, kubeconfig, true, false, "", false),
                        environment,
                        new SystemHostFiles(own),
                        new SystemHostFiles(host))
                .find();
    }

    private static void write(Path root, String path, String text) throws IOException {
        Path file = root.resolve(path.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private static String kubeconfig(String cluster, String user) {
        return "{clusters: [{name: c, cluster: {" + cluster + "}}], users: [{name: u, user: {" + user
                + "}}], contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}";
    }

    @Test
    void aMachineWithNothingHasNoApiServer() throws Exception {
        // When
        Optional<ApiAccess> found = find("", Map.of());

        // Then
        assertThat(found).isEmpty();
    }

    @Test
    void aPodUsesItsServiceAccount() throws Exception {
        // Given
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/token", "t");
        write(host, "/etc/kubernetes/kubelet.conf", kubeconfig("server: 'https://kubelets'", ""));

        // When
        ApiAccess found = find("", POD).orElseThrow();

        // Then
        assertThat(found.server()).hasToString("https://10.96.0.1:443");
        assertThat(found.authority().orElseThrow()).hasToString("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
        assertThat(found.identity())
                .isInstanceOfSatisfying(
                        ApiAccess.Identity.Token.class,
                        identity -> assertThat(identity.token())
                                .hasToString("/var/run/secrets/kubernetes.io/serviceaccount/token"));
    }

    @Test
    void aPodBelongsToTheNamespaceOfItsServiceAccount() throws Exception {
        // Given
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/token", "t");
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/namespace", "gpu\n");

        // When
        ApiAccess found = find("", POD).orElseThrow();

        // Then
        assertThat(found.namespace()).isEqualTo("gpu");
    }

    @Test
    void aKubeconfigsContextNamesTheNamespace() throws Exception {
        // Given
        write(
                host,
                "/etc/kubernetes/kubelet.conf",
                "{clusters: [{name: c, cluster: {server: 'https://a'}}], contexts: [{name: x, context: {cluster: c, namespace: gpu}}],"
                        + " current-context: x}");

        // When
        ApiAccess found = find("", Map.of()).orElseThrow();

        // Then
        assertThat(found.namespace()).isEqualTo("gpu");
    }

    @Test
    void aServiceAddressThatIsNoneIsSaid() throws Exception {
        // Given
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/token", "t");

        // When / Then
        assertThatThrownBy(
                        () -> find("", Map.of("KUBERNETES_SERVICE_HOST", "a_b", "KUBERNETES_SERVICE_PORT", "tcp://")))
                .isInstanceOf(AccessException.class)
                .hasMessageContaining("make no address: \"https://a_b:tcp://\"");
    }

    @Test
    void aProxyIsFoundWithItsPort() throws Exception {
        // Given
        write(
                host,
                "/etc/kubernetes/kubelet.conf",
                kubeconfig("server: 'https://a', proxy-url: 'http://proxy.example:3128'", "token: t"));

        // When
        ApiAccess found = find("", Map.of()).orElseThrow();

        // Then
        assertThat(found.proxy().orElseThrow()).hasToString("proxy.example/<unresolved>:3128");
    }

    @Test
    void anIpv6ServiceAddressIsBracketed() throws Exception {
        // Given
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/token", "t");

        // When
        ApiAccess found = find("", Map.of("KUBERNETES_SERVICE_HOST", "fd00::1", "KUBERNETES_SERVICE_PORT", "6443"))
                .orElseThrow();

        // Then
        assertThat(found.server()).hasToString("https://[fd00::1]:6443");
    }

    @Test
    void aNamedKubeconfigComesFirst() throws Exception {
        // Given
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/token", "t");
        write(
                own,
                "/home/a/config",
                kubeconfig("server: 'https://named:6443/', certificate-authority: ca.pem", "token: secret"));

        // When
        ApiAccess found = find("/home/a/config", POD).orElseThrow();

        // Then
        assertThat(found.server()).hasToString("https://named:6443");
        assertThat(found.authority().orElseThrow()).hasToString("/home/a/ca.pem");
        assertThat(found.toString())
                .isEqualTo("https://named:6443 by the kubeconfig /home/a/config")
                .doesNotContain("secret");
    }

    @Test
    void aNamedKubeconfigThatIsMissingIsNotPassedOver() throws Exception {
        // Given
        write(own, "/var/run/secrets/kubernetes.io/serviceaccount/token", "t");

        // When / Then
        assertThatThrownBy(() -> find("/home/a/config", POD))
                .isInstanceOf(AccessException.class)
                .hasMessageContaining("/home/a/config does not exist; correct kubernetes.kubeconfig");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/etc/kubernetes/kubelet.conf",
                "/var/lib/kubelet/kubeconfig",
                "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
                "/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
                "/var/snap/microk8s/current/credentials/kubelet.config"
            })
    void aKubeletsOwnCredentialsAreFound(String file) throws Exception {
        // Given
        write(
                host,
                file,
                kubeconfig("server: 'https://a:6443'", "client-certificate: pki/c.pem, client-key: pki/c.pem"));

        // When
        ApiAccess found = find("", Map.of()).orElseThrow();

        // Then
        assertThat(found.origin()).isEqualTo("the kubelet's own credentials in " + file);
        assertThat(found.identity())
                .isInstanceOfSatisfying(
                        ApiAccess.Identity.Certificate.class,
                        identity -> assertThat(identity.key())
                                .hasToString(Path.of(file)
                                        .resolveSibling("pki/c.pem")
                                        .toString()));
    }

    @Test
    void dataInTheFileComesBeforeFiles() throws Exception {
        // Given
        write(
                own,
                "/k",
                kubeconfig(
                        "server: 'https://a', certificate-authority-data: aGVsbG8=, certificate-authority: /ca",
                        "token: secret"));

        // When
        ApiAccess found = find("/k", Map.of()).orElseThrow();

        // Then
        assertThat(found.authority().orElseThrow().read()).isEqualTo("hello");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "server: 'ftp://a'                      | token: t                  | is not an address such as https://10.0.0.1:6443",
                "server: ''                             | token: t                  | is not an address such as",
                "server: [a]                            | token: t                  | server is not plain text",
                "server: 'https://a:0'                  | token: t                  | is not an address such as",
                "server: 'https://a:65536'              | token: t                  | is not an address such as",
                "server: 'https://a/#b'                 | token: t                  | is not an address such as",
                "server: 'https://a', proxy-url: 'socks5://p' | token: t            | the proxy-url is not an address such as http://proxy.example.com:3128",
                "server: 'https://a', proxy-url: 'https://p' | token: t             | the agent follows no other kind of proxy",
                "server: 'https://a', proxy-url: 'http://u:p@p' | token: t          | none that wants a password",
                "server: 'http://localhost', proxy-url: 'http://p' | token: t       | is spoken to without TLS",
                "server: 'https://a', tls-server-name: b | token: t                 | has tls-server-name",
                "server: 'https://a', certificate-authority-data: '*' | token: t    | certificate-authority-data is not base64",
                "server: 'https://a'                    | exec: {command: aws}      | logs in by exec, which the agent does not do",
                "server: 'https://a'                    | username: x, password: y  | logs in by username",
                "server: 'http://10.0.0.1:6443'         | token: t                  | the server http://10.0.0.1:6443 is spoken to without TLS",
                "server: 'http://127.0.0.1.example'     | tokenFile: t              | correct it to https",
                "server: 'http://a'                     | client-certificate: x, client-key: x | the credentials of user \"u\"",
                "server: 'https://a'                    | client-certificate: x     | only one of client-certificate and client-key",
            })
    void whatCannotBeUsedIsSaidByName(String cluster, String user, String message) throws Exception {
        // Given
        write(host, "/etc/kubernetes/kubelet.conf", kubeconfig(cluster, user));

        // When / Then
        assertThatThrownBy(() -> find("", Map.of()))
                .isInstanceOf(AccessException.class)
                .hasMessageStartingWith("/etc/kubernetes/kubelet.conf")
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "http://localhost:8080 | token: t",
                "http://127.0.0.1:8001 | token: t",
                "http://[::1]:8001     | token: t",
                "http://10.0.0.1:8001  | ''",
            })
    void withoutTlsNoCredentialsLeaveTheMachine(String server, String user) throws Exception {
        // Given
        write(host, "/etc/kubernetes/kubelet.conf", kubeconfig("server: '" + server + "'", user));

        // When
        ApiAccess found = find("", Map.of()).orElseThrow();

        // Then
        assertThat(found.server()).hasToString(server);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "a: [", "!!java.net.URL [\"http://x\"]", "&a [*a, *a]", "current-context: 3"})
    void whatIsNoKubeconfigIsRefused(String text) throws Exception {
        // Given
        write(host, "/etc/kubernetes/kubelet.conf", text);

        // When / Then
        assertThatThrownBy(() -> find("", Map.of()))
                .isInstanceOf(AccessException.class)
                .hasMessageContaining("kubelet.conf");
    }
}
