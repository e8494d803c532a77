package io.gpunode.agent.cli;

/** What the process's exit status says; the same for every command, and part of the promises to scripts. */
public enum ExitCode {
    OK(0, "done, or stopped in order after a signal"),
    FAILURE(1, "failed; the message says why"),
    USAGE(2, "wrong command line or configuration"),
    UNREACHABLE(3, "no agent answers at the address"),
    NOT_READY(4, "the agent answers and is not ready");

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
