package io.gpunode.agent.deviceplugin;

import java.util.List;
import java.util.Map;

/**
 * What one container gets.
 *
 * @param environment name → value
 * @param mounts of the host, writable
 * @param annotations key → value, for the container's configuration at the runtime
 * @param cdiDevices fully qualified CDI names
 * @param deviceNodes nodes for the device cgroup
 */
record Allocation(
        Map<String, String> environment,
        List<Mount> mounts,
        Map<String, String> annotations,
        List<String> cdiDevices,
        List<DeviceNode> deviceNodes) {
    /**
     * A mount.
     *
     * @param containerPath where the container sees it
     * @param hostPath where the host has it
     */
    record Mount(String containerPath, String hostPath) {}

    /**
     * A device node; permissions are always {@code rw}.
     *
     * @param containerPath where the container sees it
     * @param hostPath where the host has it
     */
    record DeviceNode(String containerPath, String hostPath) {}
}
