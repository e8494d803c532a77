package io.gpunode.agent.cdi;

import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a container is given: one {@code containerEdits} of a specification.
 *
 * @param environment {@code NAME=value}
 * @param deviceNodes in their order, each path once
 * @param mounts in their order, each container path once
 * @param hooks processes that the container runtime starts
 */
record ContainerEdits(List<String> environment, List<DeviceNode> deviceNodes, List<Mount> mounts, List<Hook> hooks) {
    static final List<String> READ_ONLY = List.of("ro", "nosuid", "nodev", "rbind", "rprivate");
    static final List<String> SOCKET = List.of("nosuid", "nodev", "rbind", "rprivate", "noexec");

    ContainerEdits {
        environment = List.copyOf(environment);
        deviceNodes = List.copyOf(deviceNodes);
        mounts = List.copyOf(mounts);
        hooks = List.copyOf(hooks);
    }

    /** Only device nodes. */
    static ContainerEdits of(List<DeviceNode> deviceNodes) {
        return new ContainerEdits(List.of(), deviceNodes, List.of(), List.of());
    }

    boolean isEmpty() {
        return environment.isEmpty() && deviceNodes.isEmpty() && mounts.isEmpty() && hooks.isEmpty();
    }

    /**
     * A device node.
     *
     * @param path in the container
     * @param hostPath on the host
     * @param device its numbers; empty when they are not known, the runtime looks then
     */
    record DeviceNode(Path path, Path hostPath, Optional<CharacterDevice> device) {}

    /** A file, directory or socket of the host at a place in the container. */
    record Mount(Path hostPath, Path containerPath, List<String> options) {
        Mount {
            options = List.copyOf(options);
        }
    }

    /**
     * A program of the host that the runtime starts after it has made the container's mounts ({@code createContainer}).
     *
     * @param arguments with the program's own name first
     */
    record Hook(Path path, List<String> arguments, List<String> environment) {
        Hook {
            arguments = List.copyOf(arguments);
            environment = List.copyOf(environment);
        }
    }
}
