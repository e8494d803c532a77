package io.gpunode.agent.os;

import java.time.Duration;
import java.util.List;

/** What came of loading or unloading one kernel module. */
public sealed interface ModuleOutcome {
    /**
     * It is done.
     *
     * @param took from the start of the program to its end
     */
    record Done(Duration took) implements ModuleOutcome {}

    /** It was loaded and live already: nothing was done, and parameters that were given have no effect. */
    record AlreadyThere() implements ModuleOutcome {}

    /** It was not loaded: nothing was done. */
    record AlreadyGone() implements ModuleOutcome {}

    /**
     * The kernel or the program refused; nothing has changed.
     *
     * @param fault why
     * @param said what the program wrote, one line
     * @param kernelLog the kernel's lines of that time, oldest first; at most {@link KernelModules#MOST_LOG_LINES}
     */
    record Refused(ModuleFault fault, String said, List<String> kernelLog) implements ModuleOutcome {
        private static final String DRIVER = "NVRM: ";
        private static final String GREETING = "NVRM: loading ";
        private static final int MOST_CHARACTERS = 240;

        public Refused {
            kernelLog = List.copyOf(kernelLog);
        }

        /**
         * What NVIDIA's driver itself said first, on one line and without its mark; empty when it said nothing. It comes to the point, where the program
         * has only the error's name.
         */
        public String driverSaid() {
            for (String record : kernelLog) {
                if (record.startsWith(DRIVER) && !record.startsWith(GREETING)) {
                    String line = record.substring(DRIVER.length())
                            .replace("\n" + DRIVER, " ")
                            .replaceAll("\\s+", " ")
                            .strip();
                    return line.length() <= MOST_CHARACTERS ? line : line.substring(0, MOST_CHARACTERS) + "…";
                }
            }
            return "";
        }
    }

    /**
     * It did not end in time. The program was killed; what the kernel makes of it is seen in the module's phase.
     *
     * @param limit the time it had
     * @param stuck whether the module is still on its way in or out, or the program does not even end when killed: then it hangs in the kernel, and
     *     only a reboot frees it if it does not end by itself
     * @param state what is known of that, in a sentence
     * @param kernelLog as in {@link Refused}
     */
    record TimedOut(Duration limit, boolean stuck, String state, List<String> kernelLog) implements ModuleOutcome {
        public TimedOut {
            kernelLog = List.copyOf(kernelLog);
        }
    }

    /** Whether the kernel now is as it was wanted. */
    default boolean ok() {
        return switch (this) {
            case Done _, AlreadyThere _, AlreadyGone _ -> true;
            case Refused _, TimedOut _ -> false;
        };
    }
}
