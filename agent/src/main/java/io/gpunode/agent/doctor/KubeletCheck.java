package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Whether a kubelet runs that takes devices in the way that the agent announces them. */
final class KubeletCheck implements Check {
    @Override
    public String name() {
        return "kubelet";
    }

    @Override
    public String wanted(Patient patient) {
        return "a kubelet, 1.28 or newer with cdi-cri, whose directories are those of the configuration";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        KubeletSetup kubelet = KubeletSetup.of(patient);
        if (kubelet.program().isEmpty()) {
            return List.of(Diagnosis.problem(
                    name(), "no kubelet runs on this node", "systemctl status kubelet", "journalctl -u kubelet -e"));
        }
        List<Diagnosis> found = new ArrayList<>();
        Optional<Release> release =
                Release.of(patient.commands(), kubelet.program().get());
        Path socket = patient.config().kubelet().socket();
        Path plugins = kubelet.rootDirectory().resolve("device-plugins");
        if (!Directories.contain(
                        patient.files(),
                        List.of(plugins.toString()),
                        patient.config().kubelet().devicePluginDirectory())
                && patient.files().exists(plugins)) {
            found.add(Diagnosis.problem(
                    name(),
                    "the kubelet looks for device plugins in " + plugins + ", the agent serves in "
                            + patient.config().kubelet().devicePluginDirectory(),
                    "in /etc/gpu-node-agent/config.yaml:",
                    "  kubelet: {devicePluginDirectory: " + plugins + ", podResourcesSocket: "
                            + kubelet.rootDirectory().resolve("pod-resources/kubelet.sock") + "}",
                    "and for its service: gpu-node-agent config systemd"));
            return found;
        }
        if (!patient.files().exists(socket)) {
            found.add(
                    Diagnosis.problem(
                            name(),
                            "the kubelet runs and " + socket + " is not there (yet)",
                            "journalctl -u kubelet -e",
                            "if the kubelet's directory is elsewhere: kubelet.devicePluginDirectory in /etc/gpu-node-agent/config.yaml"));
        }
        if (patient.config().plugin().deviceListStrategies().contains(DeviceListStrategy.CDI_CRI)) {
            cdi(kubelet, release, found);
        }
        Path podResources = patient.config().kubelet().podResourcesSocket();
        if (!patient.files().exists(podResources)) {
            found.add(Diagnosis.note(
                    name(),
                    podResources + " is not there: metrics carry no pod names",
                    "kubelet.podResourcesSocket in /etc/gpu-node-agent/config.yaml"));
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(
                    name(), "kubelet" + release.map(number -> " " + number).orElse("")));
        }
        return found;
    }

    /** The gate DevicePluginCDIDevices: alpha 1.28, on by default from 1.29. */
    private void cdi(KubeletSetup kubelet, Optional<Release> release, List<Diagnosis> found) {
        if (release.isEmpty()) {
            return;
        }
        boolean gate = kubelet.config()
                .truth("featureGates", "DevicePluginCDIDevices")
                .orElse(!release.get().before(1, 29));
        if (release.get().before(1, 28)) {
            found.add(Diagnosis.problem(
                    name(),
                    "kubelet " + release.get() + " does not pass CDI names on (cdi-cri)",
                    "in /etc/gpu-node-agent/config.yaml: flags: {plugin: {deviceListStrategy: cdi-annotations}}"));
        } else if (!gate) {
            found.add(Diagnosis.problem(
                    name(),
                    "the kubelet's feature gate DevicePluginCDIDevices is off, so CDI names are dropped (cdi-cri)",
                    kubelet.configFile() + ":",
                    "  featureGates: {DevicePluginCDIDevices: true}",
                    "systemctl restart kubelet"));
        }
    }
}
