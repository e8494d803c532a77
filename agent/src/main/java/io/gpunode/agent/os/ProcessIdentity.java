package io.gpunode.agent.os;

/**
 * One process, and no other that later has its id.
 *
 * @param pid as this process sees it
 * @param startedMillis when it was started, in ms since the machine was ({@code starttime} of proc_pid_stat(5))
 * @param executable what it runs, as {@code /proc/PID/exe} names it, without the mark of a file that was replaced; empty when that cannot be read
 */
public record ProcessIdentity(int pid, long startedMillis, String executable) {
    /** The file name of what it runs. */
    public String program() {
        return executable.substring(executable.lastIndexOf('/') + 1);
    }

    @Override
    public String toString() {
        return (executable.isEmpty() ? "process" : executable) + " (pid " + pid + ")";
    }
}
