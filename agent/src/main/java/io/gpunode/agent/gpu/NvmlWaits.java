package io.gpunode.agent.gpu;

import io.gpunode.agent.model.NvmlState;
import io.gpunode.nvml.NvmlOpenException;
import java.time.Instant;

/** What the agent waits for while NVML is not open, in words for an operator: the one list of these texts. */
public final class NvmlWaits {
    private NvmlWaits() {}

    /** Before the first try. */
    public static NvmlState.Waiting starting(Instant since) {
        return new NvmlState.Waiting(
                NvmlState.Waiting.STARTING,
                "NVML is being opened for the first time",
                "nothing: this takes a moment",
                since);
    }

    /** The open call itself does not come back. */
    public static NvmlState.Waiting openHangs(Instant since) {
        return new NvmlState.Waiting(
                "open-hangs",
                "the driver has not answered the call that opens NVML",
                "look for NVRM lines in the kernel's log: dmesg | grep -i nvrm; a reboot may be needed",
                since);
    }

    /** NVML answered a call about the whole node that the driver is gone. */
    public static NvmlState.Waiting driverGone(String returned, Instant since) {
        return new NvmlState.Waiting(
                "driver-gone",
                "NVML answers " + returned + " since the driver was unloaded or replaced",
                "load the driver again: modprobe nvidia; the agent then opens NVML by itself",
                since);
    }

    /** NVML opened and a call about the whole node does not come back. */
    public static NvmlState.Waiting unresponsive(String function, Instant since) {
        return new NvmlState.Waiting(
                "nvml-unresponsive",
                function + " has not returned: NVML answers no question about the node",
                "look for NVRM lines in the kernel's log: dmesg | grep -i nvrm; a reboot may be needed",
                since);
    }

    private static NvmlState.Waiting refused(NvmlOpenException refusal, Instant since) {
        String reason = String.valueOf(refusal.getMessage());
        return switch (refusal.reason()) {
            case LIBRARY_NOT_FOUND ->
                new NvmlState.Waiting(
                        NvmlState.Waiting.LIBRARY_NOT_FOUND,
                        reason,
                        "install the NVIDIA driver, or name the library: nvml.library or flags.nvidiaDriverRoot",
                        since);
            case LIBRARY_NOT_READABLE ->
                new NvmlState.Waiting(
                        "library-not-readable", reason, "let this process read it: chmod a+r on the file", since);
            case NOT_A_LIBRARY ->
                new NvmlState.Waiting(
                        "not-a-library",
                        reason,
                        "install the driver's user space again, or correct nvml.library",
                        since);
            case WRONG_ARCHITECTURE ->
                new NvmlState.Waiting(
                        "wrong-architecture", reason, "install the driver for this machine: uname -m", since);
            case NOT_NVML ->
                new NvmlState.Waiting("not-nvml", reason, "correct nvml.library: it names libnvidia-ml.so.1", since);
            case LOAD_FAILED ->
                new NvmlState.Waiting("load-failed", reason, "see what it lacks: ldd on the file", since);
            case DRIVER_NOT_LOADED ->
                new NvmlState.Waiting(
                        NvmlState.Waiting.DRIVER_NOT_LOADED, reason, "load the kernel module: modprobe nvidia", since);
            case DRIVER_LIBRARY_MISMATCH ->
                new NvmlState.Waiting(
                        "driver-library-mismatch",
                        reason,
                        "load the kernel module of the library's release (cat /proc/driver/nvidia/version), or reboot",
                        since);
            case INIT_FAILED ->
                new NvmlState.Waiting(
                        "init-failed", reason, "look for NVRM lines in the kernel's log: dmesg | grep -i nvrm", since);
        };
    }

    /** NVML could not be opened, or answers nothing about the node. */
    public static NvmlState.Waiting failed(Exception failure, Instant since) {
        if (failure instanceof NvmlOpenException refusal) {
            return refused(refusal, since);
        }
        return new NvmlState.Waiting(
                "nvml-failed", "NVML cannot be used: " + failure, "report this with the agent's log", since);
    }
}
