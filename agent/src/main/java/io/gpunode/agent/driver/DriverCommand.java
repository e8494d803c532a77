package io.gpunode.agent.driver;

import java.util.Locale;
import java.util.Optional;

/** What a person, or the agent by itself, wants done with the driver. */
public enum DriverCommand {
    /** The wanted driver is loaded where none is, and what is missing of it is put in place. */
    LOAD,
    /** The driver goes, until somebody loads it or the machine is started again. */
    UNLOAD,
    /** The wanted driver takes the place of the one that runs. */
    UPGRADE,
    /** The driver that ran before takes the place of the one that runs. */
    ROLLBACK;

    /** As it is typed. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** By its word; empty for none. */
    public static Optional<DriverCommand> of(String word) {
        for (DriverCommand command : values()) {
            if (command.word().equals(word)) {
                return Optional.of(command);
            }
        }
        return Optional.empty();
    }
}
