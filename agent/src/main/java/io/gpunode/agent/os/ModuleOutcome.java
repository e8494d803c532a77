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
        public Refused {
            kernelLog = List.copyOf(kernelLog);
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
