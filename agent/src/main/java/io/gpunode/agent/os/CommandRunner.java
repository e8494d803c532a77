package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** Starts other programs, each bounded in time and in what is kept of its output. Any thread; the call blocks until the program has ended. */
public interface CommandRunner {
    /**
     * Runs a program to its end, without a shell, with nothing on its standard input and messages in English.
     *
     * @param command the program's path or a name on the PATH, and its arguments
     * @param limit after it the program and what it started are killed
     * @param outputLimit bytes kept of standard output, and as many of standard error; what is more is read and dropped
     * @throws StuckException when it does not end when it is killed
     * @throws IOException when it cannot be started, for example because there is no such program
     * @throws InterruptedException when the caller is to stop; the program is killed
     */
    default Result run(List<String> command, Duration limit, int outputLimit) throws IOException, InterruptedException {
        return run(command, Map.of(), Path.of("/"), limit, outputLimit);
    }

    /**
     * The same with a place and variables of its own.
     *
     * @param environment added to PATH and the locale, or instead of them
     * @param directory where it is started
     */
    Result run(List<String> command, Map<String, String> environment, Path directory, Duration limit, int outputLimit)
            throws IOException, InterruptedException;

    /** A program that is still there after it was killed: it hangs in the kernel. */
    final class StuckException extends IOException {
        private static final long serialVersionUID = 1L;

        /** @param message which program */
        public StuckException(String message) {
            super(message);
        }
    }

    /**
     * How a program ended.
     *
     * @param status its exit status; 128 plus the signal's number where a signal ended it
     * @param timedOut whether it was killed at its time limit
     * @param truncated whether it wrote more than is kept
     */
    record Result(int status, String output, String error, boolean timedOut, boolean truncated) {
        /** Whether it ended by itself and says that all is well. */
        public boolean ok() {
            return status == 0 && !timedOut;
        }
    }
}
