package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Finds the way to the API server, cheaply enough to look again and again: a few files, and YAML is loaded only when one of them is there. The first
 * that is there counts, also when it turns out to be unusable: a broken kubeconfig is told and not passed over for other credentials.
 */
final class AccessSearch {
    /** Where a kubelet's own credentials lie: kubeadm, managed clouds, k3s, RKE2, MicroK8s. */
    static final List<Path> KUBELET_FILES = List.of(
            Path.of("/etc/kubernetes/kubelet.conf"),
            Path.of("/var/lib/kubelet/kubeconfig"),
            Path.of("/var/lib/rancher/k3s/agent/kubelet.kubeconfig"),
            Path.of("/var/lib/rancher/rke2/agent/kubelet.kubeconfig"),
            Path.of("/var/snap/microk8s/current/credentials/kubelet.config"));

    static final Path SERVICE_ACCOUNT = Path.of("/var/run/secrets/kubernetes.io/serviceaccount");

    private static final int LONGEST_NAMESPACE = 256;

    private final AgentConfig.Kubernetes config;
    private final Map<String, String> environment;
    private final HostFiles own;
    private final HostFiles host;

    /**
     * @param own the files as this process sees them
     * @param host the host's files
     */
    AccessSearch(AgentConfig.Kubernetes config, Map<String, String> environment, HostFiles own, HostFiles host) {
        this.config = config;
        this.environment = environment;
        this.own = own;
        this.host = host;
    }

    /**
     * Looks.
     *
     * @return empty when nothing describes an API server
     * @throws AccessException when something does that cannot be used
     */
    Optional<ApiAccess> find() throws AccessException {
        if (!config.kubeconfig().isEmpty()) {
            Path named = Path.of(config.kubeconfig());
            Optional<ApiAccess> access = Kubeconfig.read(own, named, "the kubeconfig");
            if (access.isEmpty()) {
                throw new AccessException(
                        named
                                + " does not exist; correct kubernetes.kubeconfig (or KUBECONFIG), or remove it to look for other credentials");
            }
            return access;
        }
        Optional<ApiAccess> inCluster = inCluster();
        if (inCluster.isPresent()) {
            return inCluster;
        }
        for (Path file : KUBELET_FILES) {
            if (host.exists(file)) {
                return Kubeconfig.read(host, file, "the kubelet's own credentials in");
            }
        }
        return Optional.empty();
    }

    private Optional<ApiAccess> inCluster() throws AccessException {
        String address = environment.getOrDefault("KUBERNETES_SERVICE_HOST", "");
        String port = environment.getOrDefault("KUBERNETES_SERVICE_PORT", "");
        Path token = SERVICE_ACCOUNT.resolve("token");
        if (address.isEmpty() || port.isEmpty() || !own.exists(token)) {
            return Optional.empty();
        }
        String text = "https://" + (address.indexOf(':') >= 0 ? "[" + address + "]" : address) + ":" + port;
        URI server = ApiAccess.address(text)
                .orElseThrow(() -> new AccessException(
                        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make no address: \"" + text + "\""));
        return Optional.of(new ApiAccess(
                server,
                Optional.of(new Source.File(own, SERVICE_ACCOUNT.resolve("ca.crt"))),
                false,
                new ApiAccess.Identity.Token(new Source.File(own, token)),
                namespace(),
                Optional.empty(),
                "the service account of the pod"));
    }

    /** Of the pod. */
    private String namespace() {
        try {
            return own.readText(SERVICE_ACCOUNT.resolve("namespace"), LONGEST_NAMESPACE)
                    .map(String::strip)
                    .orElse("");
        } catch (IOException e) {
            return "";
        }
    }
}
