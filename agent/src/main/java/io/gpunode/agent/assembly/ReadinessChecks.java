package io.gpunode.agent.assembly;

import io.gpunode.agent.admin.ReadinessCheck;
import io.gpunode.agent.cdi.CdiPublisher;
import io.gpunode.agent.cdi.CdiStatus;
import io.gpunode.agent.deviceplugin.DevicePlugin;
import io.gpunode.agent.deviceplugin.DevicePluginStatus;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.model.NvmlState;
import java.util.List;
import java.util.function.Supplier;

/** The conditions of readiness, in the order in which they come up. */
final class ReadinessChecks {
    private ReadinessChecks() {}

    static ReadinessCheck nvml(SnapshotSource snapshots) {
        return check("NVML", () -> switch (snapshots.current().nvml()) {
            case NvmlState.Open open -> ReadinessCheck.Condition.met("open, driver " + open.driverVersion());
            case NvmlState.Waiting waiting -> ReadinessCheck.Condition.unmet(waiting.reason(), waiting.nextStep());
            case NvmlState.Withdrawn withdrawn ->
                ReadinessCheck.Condition.unmet("the GPUs are withdrawn: " + withdrawn.reason(), "");
        });
    }

    static ReadinessCheck cdi(CdiPublisher cdi) {
        return check("CDI", () -> {
            CdiStatus status = cdi.status();
            if (status.written()) {
                return ReadinessCheck.Condition.met("written to " + status.path());
            }
            return ReadinessCheck.Condition.unmet(
                    status.error().isEmpty() ? "not written: there are no GPUs to describe" : status.error(), "");
        });
    }

    static ReadinessCheck registration(DevicePlugin plugin) {
        return check("Kubelet", () -> {
            List<DevicePluginStatus> resources = plugin.status();
            if (resources.isEmpty()) {
                return ReadinessCheck.Condition.unmet(
                        plugin.notReady().isEmpty() ? "there is no resource to offer" : plugin.notReady(), "");
            }
            StringBuilder registered = new StringBuilder();
            for (DevicePluginStatus status : resources) {
                String sentence = status.resource() + " is " + status.state() + ": " + status.reason();
                if (!status.registered()) {
                    return ReadinessCheck.Condition.unmet(
                            sentence, status.state().equals("no-kubelet") ? "systemctl status kubelet" : "");
                }
                registered.append(registered.isEmpty() ? "" : "; ").append(sentence);
            }
            return ReadinessCheck.Condition.met(registered.toString());
        });
    }

    private static ReadinessCheck check(String name, Supplier<ReadinessCheck.Condition> condition) {
        return new ReadinessCheck() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public Condition check() {
                return condition.get();
            }
        };
    }
}
