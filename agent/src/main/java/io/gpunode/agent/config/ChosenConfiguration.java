package io.gpunode.agent.config;

import java.nio.file.Path;
import java.util.Optional;

/**
 * Which of the configurations in {@code config.directory} is in force.
 *
 * @param directory where they are
 * @param name the file's name; empty when none is in force
 * @param why one phrase
 * @param undecided why none can be chosen yet; nothing may be offered under such a configuration. Empty when the choice is made, also when it is none
 * @param label the name of the label that may choose
 */
public record ChosenConfiguration(
        Path directory, Optional<String> name, String why, Optional<Problem> undecided, String label) {
    /** The choice in one line. */
    @Override
    public String toString() {
        return name.map(chosen -> directory.resolve(chosen).toString()).orElse("none of " + directory) + " (" + why
                + ")";
    }
}
