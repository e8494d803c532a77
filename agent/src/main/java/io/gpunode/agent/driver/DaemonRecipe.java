package io.gpunode.agent.driver;

import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is known of one kind of daemon: when a node needs it, how it is started, found, and seen to work. Starts and stops nothing. */
interface DaemonRecipe {
    DaemonKind kind();

    /**
     * Whether this node needs it, by its hardware and the configuration.
     *
     * @throws IOException when that cannot be seen
     */
    Need need() throws IOException;

    /** @param reason one phrase, without a full stop */
    record Need(boolean needed, String reason) {}

    /** Its program among a driver's files, as the host sees it; empty when it is not there. */
    Optional<Path> program(Path userspaceRoot);

    /**
     * How it is started.
     *
     * @throws CannotException when that cannot be
     * @throws IOException when a file that it needs cannot be read or written
     */
    Command command(StagedDriver driver, Path program) throws CannotException, IOException;

    /**
     * A command line.
     *
     * @param background whether it goes on in the background and its first process ends when it is ready
     */
    record Command(List<String> arguments, Map<String, String> environment, boolean background) {
        public Command {
            arguments = List.copyOf(arguments);
            environment = Map.copyOf(environment);
        }
    }

    /** It cannot be started as this node is. */
    final class CannotException extends Exception {
        private static final long serialVersionUID = 1L;

        private final DaemonFault fault;

        CannotException(DaemonFault fault, String text) {
            super(text);
            this.fault = fault;
        }

        DaemonFault fault() {
            return fault;
        }
    }

    /**
     * Its process, whoever started it; empty when there is none.
     *
     * @throws IOException when that cannot be seen
     */
    Optional<ProcessIdentity> find() throws IOException;

    /** Whether a process of it does its work; cheap, but for {@link DaemonKind#IMEX}, which is asked. */
    boolean isReady(ProcessIdentity process) throws IOException, InterruptedException;

    /** What is to be said of one that works; empty for nothing. */
    default String remark(ProcessIdentity process) throws IOException {
        return "";
    }

    /** What one that did not end in order leaves behind and the next one stumbles over; only looked at when there is no process of it. */
    List<Path> leftovers();

    /** The file that it writes its messages to by itself; empty when it has none. */
    Optional<Path> log() throws IOException;

    /** What its messages say about why it ended; {@link DaemonFault#EXITED} when they say nothing. */
    default DaemonFault explain(List<String> messages) {
        return DaemonFault.EXITED;
    }

    /** Whether its messages say that this node has nothing for it to do. */
    default boolean nothingToDo(List<String> messages) {
        return false;
    }
}
