package io.gpunode.agent.driver;

import java.nio.file.Path;
import java.util.List;

/** What came of putting the driver's root in place or taking it away. */
public sealed interface RootOutcome {
    /** Whether it is now as it was asked for. */
    default boolean ok() {
        return !(this instanceof Refused);
    }

    /**
     * Containers and NVIDIA's other parts find the driver.
     *
     * @param root where they find it: {@code /run/nvidia/driver}, or {@code /} for a driver that is installed on the host
     * @param already whether nothing had to be done
     * @param notes what is missing and can be lived without, in sentences
     */
    record Attached(Path root, boolean already, List<String> notes) implements RootOutcome {
        public Attached {
            notes = List.copyOf(notes);
        }
    }

    /**
     * Nothing of the driver is to be seen there.
     *
     * @param already whether nothing had to be done
     * @param users who still uses files of it: the kernel keeps them until they end; empty when nobody does
     */
    record Detached(boolean already, List<String> users) implements RootOutcome {
        public Detached {
            users = List.copyOf(users);
        }
    }

    /** It is not as it was asked for, and nothing of somebody else's was touched. */
    record Refused(RootFault fault, String text) implements RootOutcome {
        /** One line for logs and conditions. */
        public String line() {
            return DriverRoot.POINT + ": " + fault.sentence() + (text.isEmpty() ? "" : ": " + text);
        }
    }
}
