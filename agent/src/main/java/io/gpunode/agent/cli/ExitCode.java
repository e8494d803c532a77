package io.gpunode.agent.cli;

/** What the process's exit status says; the same for every command, and part of the promises to scripts. */
public enum ExitCode {
    OK(0, "done, or stopped in order after a signal"),
    FAILURE(1, "failed; the message says why"),
    USAGE(2, "wrong command line or configuration"),
    UNREACHABLE(3, "no agent, or no API server, answers"),
    NOT_READY(4, "the agent answers and is not ready"),
    IN_THE_WAY(5, "pods are in the way of draining the node");

    private final int code;
    private final String meaning;

    ExitCode(int code, String meaning) {
        this.code = code;
        this.meaning = meaning;
    }

    /** The exit status. */
    public int code() {
        return code;
    }

    /** One phrase for help and documents. */
    public String meaning() {
        return meaning;
    }
}
