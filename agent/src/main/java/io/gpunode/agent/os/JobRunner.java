package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Runs programs that take minutes and write much, such as compilations: their output goes to a file, their use of the machine is limited. */
public interface JobRunner {
    /**
     * A program.
     *
     * @param command as the process sees it, and its arguments
     * @param environment added to PATH and the locale, or instead of them
     * @param directory where it is started, as this process sees it
     * @param log where its output and its messages go, as this process sees it; what was there before stays
     * @param logLimit bytes that are written there at most; what is more is read and dropped
     * @param limits of what it may use
     */
    record Job(
            List<String> command,
            Map<String, String> environment,
            Path directory,
            Path log,
            long logLimit,
            Limits limits) {}

    /**
     * What a job may use.
     *
     * @param time after it the job is ended, with all that it started
     * @param memoryMebibytes of all its processes together; 0 for no limit
     * @param cpuPercent of one CPU; 0 for no limit
     */
    record Limits(Duration time, int memoryMebibytes, int cpuPercent) {}

    /**
     * How it ended.
     *
     * @param status its exit status; 128 plus the signal's number where a signal ended it
     * @param timedOut whether it was ended at its time limit
     */
    record Outcome(int status, boolean timedOut) {
        /** Whether it ended by itself and says that all is well. */
        public boolean ok() {
            return status == 0 && !timedOut;
        }
    }

    /**
     * Runs it to its end, with the lowest priority. Its processes do not outlive this one.
     *
     * @param lines told each line that it writes, shortened to 1,000 characters, on the caller's thread
     * @throws IOException when it cannot be started, or the log cannot be written: a disk may be full
     * @throws InterruptedException when the caller is to stop; the job is ended first
     */
    Outcome run(Job job, Consumer<String> lines) throws IOException, InterruptedException;

    /** How the limits are kept here, for people; empty when all are. */
    String withoutLimits(Limits limits);
}
