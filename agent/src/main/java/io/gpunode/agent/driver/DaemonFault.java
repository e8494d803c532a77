package io.gpunode.agent.driver;

/** Why a daemon could not be started or stopped: a sentence, and what to do about it. */
public enum DaemonFault {
    NOT_INSTALLED(
            "the program is not installed",
            "install it in the driver's version, or turn the daemon off in the configuration"),
    CANNOT_START("the program cannot be started", "see whether it is executable and made for this machine"),
    EXITED("it ended at once", "see its messages and the kernel log"),
    NOT_READY_IN_TIME(
            "it runs and was not ready in time", "see its messages; driver.limits.daemon says how long it may take"),
    VERSION_MISMATCH(
            "it is of another version than the loaded driver",
            "install the two in one version: it must equal the driver's"),
    NO_MANAGEMENT_PORT(
            "no port to manage NVLink's switches was found",
            "see whether mlx5_core, mlx5_ib and ib_umad are loaded; on Ubuntu they are in linux-modules-extra"),
    TOPOLOGY(
            "the switches that it found match no topology",
            "a switch or baseboard may be broken: see dmesg for SXid, then reset the node's GPUs"),
    UNIT_FAILED("its systemd unit has failed", "see: systemctl status UNIT, then systemctl reset-failed UNIT"),
    SYSTEMD_DOES_NOT_ANSWER("systemd does not answer", "see: systemctl status; nothing was changed"),
    NOT_PERMITTED("this process may not signal it", "run the agent as root, in the host's PID namespace"),
    ANOTHERS(
            "it was started by somebody else",
            "stop it where it was started, or let the agent do so with the command that stops it"),
    DOES_NOT_END(
            "it does not end, not even when it is killed",
            "a process in state D waits for the kernel: see dmesg; the driver stays loaded as long as it holds its devices"),
    UNREADABLE("it cannot be seen whether it runs", "see whether /proc and /run of the host can be read by the agent");

    private final String sentence;
    private final String remedy;

    DaemonFault(String sentence, String remedy) {
        this.sentence = sentence;
        this.remedy = remedy;
    }

    /** What is wrong, without a full stop. */
    public String sentence() {
        return sentence;
    }

    /** The next step, without a full stop. */
    public String remedy() {
        return remedy;
    }
}
