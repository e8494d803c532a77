package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.Tick;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class SocketNamesTest {
    private static SocketNames in(Path directory) {
        return SocketNames.of(directory, new Tick(Long.MAX_VALUE), new Random(1));
    }

    @Test
    void thePathDoesNotGrowWithTheRegistrations() {
        // Given
        SocketNames names = in(Path.of("/run"));

        // When
        String first = names.socket("nvidia.com/gpu", 1).toString();
        String last = names.socket("nvidia.com/gpu", Integer.MAX_VALUE).toString();

        // Then
        assertThat(last).hasSameSizeAs(first).isNotEqualTo(first);
    }

    @ParameterizedTest
    @CsvSource({
        "nvidia.com/gpu, socket, /device-plugins",
        "example.com/a-resource-whose-name-is-longer-than-any, socket, /device-plugins",
        "example.com/a-resource-whose-name-is-longer-than-any, plugins-registry, /plugins_registry"
    })
    void aDirectoryIsTakenAsLongAsThePathsOfItsSocketsCanBe(String resource, String registration, String folder)
            throws Exception {
        // Given
        String without = in(Path.of(folder)).socket(resource, 0xfffff).toString();
        String fits = "/" + "d".repeat(UnixSockets.LONGEST_PATH_BYTES - 1 - without.length());

        // When
        load(resource, registration, fits + "/device-plugins");

        // Then
        assertThatThrownBy(() -> load(resource, registration, fits + "d/device-plugins"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("108 bytes");
    }

    @ParameterizedTest
    @CsvSource({
        "/var/lib/kubelet, mixed",
        "/var/lib/k0s/kubelet, mixed",
        "/var/snap/microk8s/common/var/lib/kubelet, none"
    })
    void theDirectoriesOfKnownKubeletsAreShortEnough(String kubelet, String strategy) {
        // When
        assertThatCode(() -> load("nvidia.com/gpu", "socket", kubelet + "/device-plugins", strategy))
                // Then
                .doesNotThrowAnyException();
    }

    private static void load(String resource, String registration, String directory) throws ConfigException {
        load(resource, registration, directory, "none");
    }

    private static void load(String resource, String registration, String directory, String strategy)
            throws ConfigException {
        new ConfigLoader(
                        Map.of(
                                "MIG_STRATEGY",
                                strategy,
                                "GPU_NODE_AGENT_RESOURCE_NAME",
                                resource,
                                "GPU_NODE_AGENT_KUBELET_REGISTRATION",
                                registration,
                                "GPU_NODE_AGENT_KUBELET_DEVICE_PLUGIN_DIRECTORY",
                                directory),
                        () -> "node-a",
                        Path.of("/nonexistent"),
                        _ -> Optional.empty())
                .load(List.of(), Optional.empty());
    }
}
