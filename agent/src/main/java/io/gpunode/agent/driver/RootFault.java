package io.gpunode.agent.driver;

/** Why the driver's root could not be put in place or taken away: a sentence, and what to do about it. */
public enum RootFault {
    ANOTHERS_MOUNT(
            "something else is mounted there",
            "see: findmnt -R /run/nvidia/driver; take it away where it was made, such as by deleting the driver container's DaemonSet"),
    COVERED(
            "somebody has mounted something on top",
            "see: findmnt -R /run/nvidia/driver; unmount what is on top first"),
    OWNER_ALIVE("a driver container has it", "delete the driver container's pod; its process says when it has let go"),
    NOTHING_TO_MOUNT("the driver's files are not there", "stage the driver again: gpu-node-agent driver install"),
    NOT_PERMITTED(
            "this process may not mount", "run the agent as root with CAP_SYS_ADMIN in the host's mount namespace"),
    READ_ONLY("the file system cannot be written", "see whether /run is mounted writable"),
    NO_NODES(
            "device nodes cannot be made",
            "see whether the modules are loaded (lsmod), and let the agent write to /dev"),
    FAILED("it did not work", "see the message and the kernel log");

    private final String sentence;
    private final String remedy;

    RootFault(String sentence, String remedy) {
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
