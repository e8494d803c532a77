package io.gpunode.agent.deviceplugin;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What the device plugin tells of one resource, at one moment.
 *
 * @param resource the extended resource, {@code nvidia.com/gpu}
 * @param socket the plugin's own socket; empty while there is none
 * @param state a fixed word: {@code not-ready}, {@code no-kubelet}, {@code registering}, {@code retrying}, {@code registered},
 *     {@code stepped-aside}, {@code stopped}
 * @param reason one sentence about the state
 * @param since wall time since when it is in that state
 * @param lastError why the last failed attempt to register failed; kept after a success, empty when there was none
 * @param lastErrorAt wall time of that
 * @param streams open ListAndWatch streams; the kubelet has one
 * @param devices devices in the last list
 * @param healthyDevices those of them that containers may be given
 * @param registrations attempts that succeeded since the start
 * @param failedRegistrations attempts that failed since the start
 * @param listsSent device lists sent since the start
 * @param allocations Allocate calls answered since the start
 * @param refusedAllocations Allocate calls refused since the start
 */
public record DevicePluginStatus(
        String resource,
        String socket,
        String state,
        String reason,
        Instant since,
        String lastError,
        @Nullable Instant lastErrorAt,
        int streams,
        int devices,
        int healthyDevices,
        long registrations,
        long failedRegistrations,
        long listsSent,
        long allocations,
        long refusedAllocations) {
    /** Whether the kubelet has taken the registration. */
    public boolean registered() {
        return state.equals("registered");
    }
}
