package io.gpunode.agent.driver;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How a holder of the driver is made to let go, by what it is: a table of the programs that usually are, and else by where it belongs. */
public final class HolderAdvice {
    /** A program, by the beginning of its file name in lower case, and how it is stopped. */
    private record Known(String program, String stop) {}

    private static final String BY_ITSELF = "nothing: unload and upgrade stop it by themselves; by hand: ";

    /** What NVIDIA runs on every node by a DaemonSet, by the beginning of the program's name, and the label that keeps it off a node. */
    private static final Map<String, String> PARTS = Map.of(
            "dcgm-exporter", "dcgm-exporter",
            "nv-hostengine", "dcgm",
            "nvidia-device-plugin", "device-plugin",
            "gpu-feature-discovery", "gpu-feature-discovery",
            "nvidia-mig-manager", "mig-manager",
            "nvidia-mig-parted", "mig-manager",
            "nvidia-validator", "operator-validator");

    private static final List<Known> KNOWN = List.of(
            new Known(
                    "nvidia-persistenced",
                    BY_ITSELF + "gpu-node-agent persistenced stop, and afterwards: gpu-node-agent persistenced start"),
            new Known(
                    "nv-fabricmanager",
                    BY_ITSELF + "systemctl stop nvidia-fabricmanager (on H100 and newer the GPUs then need a reset)"),
            new Known("nvlsm", BY_ITSELF + "systemctl stop nvidia-fabricmanager"),
            new Known("nvidia-imex", BY_ITSELF + "systemctl stop nvidia-imex"),
            new Known("nv-hostengine", "systemctl stop nvidia-dcgm"),
            new Known("nvidia-gridd", "systemctl stop nvidia-gridd"),
            new Known("nvidia-topologyd", "systemctl stop nvidia-topologyd"),
            new Known("nvidia-vgpu-mgr", "systemctl stop nvidia-vgpu-mgr"),
            new Known("nvidia-cuda-mps", "echo quit | nvidia-cuda-mps-control"),
            new Known("qemu-", "stop the virtual machine"),
            new Known("xorg", "systemctl stop display-manager"),
            new Known("xwayland", "systemctl stop display-manager"),
            new Known("gnome-shell", "systemctl stop display-manager"),
            new Known("kwin_", "systemctl stop display-manager"));

    private static final String OWN_UNIT = "gpu-node-agent.service";
    /** Daemons that the agent has started have scopes of their own. */
    private static final String OWN_SCOPES = "gpu-node-agent-";

    private HolderAdvice() {}

    /** The next step for a person; never empty. */
    public static String of(Holder holder) {
        if (holder.pid() == 0) {
            return "see the suspects; what is held in the kernel goes when they end, else with a reboot";
        }
        if (holder.place().unit().equals(OWN_UNIT)) {
            return "nothing: the agent lets go by itself when the driver is unloaded";
        }
        HolderPlace place = holder.place();
        if (place.unit().startsWith(OWN_SCOPES)) {
            return "nothing: unload and upgrade stop it by themselves";
        }
        String name = holder.executable()
                .substring(holder.executable().lastIndexOf('/') + 1)
                .toLowerCase(Locale.ROOT);
        if (place.isPod()) {
            for (Map.Entry<String, String> part : PARTS.entrySet()) {
                if (name.startsWith(part.getKey())) {
                    return "it is a DaemonSet's, which would start it again: kubectl label node NODE --overwrite nvidia.com/gpu.deploy."
                            + part.getValue()
                            + "=false (=true afterwards); without the GPU Operator take the node out of the DaemonSet's"
                            + " nodeSelector";
                }
            }
        }
        if (!place.pod().isEmpty()) {
            return "kubectl delete pod -n " + place.namespace() + " " + place.pod()
                    + ", or for all: gpu-node-agent node drain";
        }
        if (place.isPod()) {
            return "gpu-node-agent node drain";
        }
        for (Known known : KNOWN) {
            if (name.startsWith(known.program())) {
                return known.stop();
            }
        }
        if (!place.containerId().isEmpty()) {
            return "stop container " + place.text().replace("container ", "");
        }
        return place.unit().endsWith(".service") ? "systemctl stop " + place.unit() : "kill " + holder.pid();
    }
}
