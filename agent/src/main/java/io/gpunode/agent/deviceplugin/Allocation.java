package io.gpunode.agent.deviceplugin;

import java.util.List;
import java.util.Map;

/**
 * What one container gets.
 *
 * @param environment name → value
 * @param annotations key → value, for the container's configuration at the runtime
 * @param cdiDevices fully qualified CDI names
 * @param deviceNodes nodes for the device cgroup
 */
record Allocation(
        Map<String, String> environment,
        Map<String, String> annotations,
        List<String> cdiDevices,
        List<DeviceNode> deviceNodes) {
    /**
     * A device node; permissions are always {@code rw}.
     *
     * @param containerPath where the container sees it
     * @param hostPath where the host has it
     */
    record DeviceNode(String containerPath, String hostPath) {}
}
