package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** Processes of the host that stay: found, started, watched and ended, each by who it is and not by an id that another may have by now. Any thread. */
public interface HostProcesses {
    /** Who has this id now; empty when nobody does, or only what is left of a process that has ended. */
    Optional<ProcessIdentity> identify(int pid);

    /**
     * All that run a program with this file name, in the order of their ids.
     *
     * @throws IOException when the kernel does not tell
     */
    List<ProcessIdentity> running(String program) throws IOException;

    /**
     * Which of these file names of programs some process runs, by one look at all processes.
     *
     * @throws IOException when the kernel does not tell
     */
    Set<String> present(Set<String> programs) throws IOException;

    /** The id of the container that a process is in; empty for one of the host, of this process's own container, and for one that has ended. */
    String container(int pid);

    /** The files below a directory that a process has open, without repetition, sorted; nothing where that cannot be seen. */
    List<Path> openFiles(int pid, Path hostDirectory);

    /**
     * Who has locked a file ({@code fcntl(2)} or {@code flock(2)}); empty when nobody has, or it is not there.
     *
     * @throws IOException when the kernel does not tell
     */
    OptionalInt lockOwner(Path hostPath) throws IOException;

    /**
     * Starts a program that stays when this process ends, in a session of its own, with nothing on its standard input.
     *
     * @param command its path on the host and its arguments
     * @param environment added to PATH and the locale
     * @param output a file of the host that gets its standard output and standard error at its end; its directory is made where it is missing
     * @return its process; a program that is not there ends with status 127, or 126 when it cannot be run, and says so in the output
     * @throws IOException when no process can be made
     */
    StartedProgram start(List<String> command, Map<String, String> environment, Path output) throws IOException;

    /**
     * Watches a process.
     *
     * @return empty when it has ended
     * @throws IOException when it cannot be watched
     */
    Optional<ProcessWatch> watch(ProcessIdentity process) throws IOException;

    /**
     * Asks a process to end (SIGTERM), and kills it when it has not done so in time.
     *
     * @param grace before it is killed
     * @param afterKill how long is waited then
     * @throws InterruptedException when the caller is to stop; the process was asked by then
     */
    StopOutcome stop(ProcessIdentity process, Duration grace, Duration afterKill) throws InterruptedException;
}
