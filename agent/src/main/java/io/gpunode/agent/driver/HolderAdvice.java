package io.gpunode.agent.driver;

import java.util.List;
import java.util.Locale;

/** How a holder of the driver is made to let go, by what it is: a table of the programs that usually are, and else by where it belongs. */
public final class HolderAdvice {
    /** A program, by the beginning of its file name in lower case, and how it is stopped. */
    private record Known(String program, String stop) {}

    private static final List<Known> KNOWN = List.of(
            new Known("nvidia-persistenced", "gpu-node-agent persistenced stop"),
            new Known(
                    "nv-fabricmanager",
                    "systemctl stop nvidia-fabricmanager (on H100 and newer the GPUs then need a reset)"),
            new Known("nvlsm", "systemctl stop nvidia-fabricmanager"),
            new Known("nvidia-imex", "systemctl stop nvidia-imex"),
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
        if (!place.pod().isEmpty()) {
            return "kubectl delete pod -n " + place.namespace() + " " + place.pod()
                    + ", or for all: gpu-node-agent node drain";
        }
        if (place.isPod()) {
            return "gpu-node-agent node drain";
        }
        String name = holder.executable()
                .substring(holder.executable().lastIndexOf('/') + 1)
                .toLowerCase(Locale.ROOT);
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
