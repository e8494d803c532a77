package io.gpunode.agent.config;

import io.gpunode.agent.config.NodeLabels.Answer;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * Which of several configurations in a directory is the node's: the one that its label names, else the one that the selection file names, else
 * the default, else what the fallbacks find. The order and the fallbacks are those of the device plugin's config manager. Pure.
 *
 * @param labelName the label's name
 * @param label what is known of it
 * @param inFile what the selection file says; empty when it says nothing
 * @param defaultName {@code config.default}; empty for none
 * @param fallbacks tried in their order
 */
record NamedConfigurations(
        String labelName, Answer label, String inFile, String defaultName, Collection<Fallback> fallbacks) {
    /** What is taken where nothing chooses; the texts are {@code named}, {@code single} and {@code empty}. */
    enum Fallback {
        /** The file that is called {@code default}. */
        NAMED,
        /** The only file. */
        SINGLE,
        /** None: what stands elsewhere is the whole configuration. */
        EMPTY
    }

    private static final String NAMED_FALLBACK = "default";

    /** More names are not listed in a message. */
    private static final int MOST_NAMES = 10;

    /** What was chosen. */
    sealed interface Choice {
        /** A file of the directory. */
        record Named(String name, String why) implements Choice {}

        /** No file. */
        record Empty(String why) implements Choice {}

        /** The choice cannot be followed, or nothing chooses. */
        record Refused(String what, String nextStep) implements Choice {}
    }

    /**
     * Chooses.
     *
     * @param files names of the directory's files, in their order
     */
    Choice choose(List<String> files) {
        if (label instanceof Answer.Value(String name) && !name.isBlank()) {
            return named(name, "the node's label " + labelName, files);
        }
        if (!inFile.isEmpty()) {
            return named(inFile, "config.selectionFile", files);
        }
        if (!defaultName.isEmpty()) {
            return named(defaultName, "config.default", files);
        }
        String nothing = switch (label) {
            case Answer.Unknown(String why) -> "the label " + labelName + " is not known (" + why + ")";
            default -> "the node has no label " + labelName;
        };
        for (Fallback fallback : fallbacks) {
            switch (fallback) {
                case NAMED -> {
                    if (files.contains(NAMED_FALLBACK)) {
                        return new Choice.Named(NAMED_FALLBACK, nothing + ", and this one is called default");
                    }
                }
                case SINGLE -> {
                    if (files.size() == 1) {
                        return new Choice.Named(files.getFirst(), nothing + ", and there is no other");
                    }
                }
                case EMPTY -> {
                    return new Choice.Empty(nothing + ", and the fallback is empty");
                }
            }
        }
        return new Choice.Refused(
                "nothing chooses one of " + list(files) + ": " + nothing,
                "set the label (kubectl label node NODE " + labelName + "=NAME) or config.default");
    }

    private static Choice named(String name, String by, List<String> files) {
        if (files.contains(name)) {
            return new Choice.Named(name, "named by " + by);
        }
        Optional<String> near = Suggestion.nearest(name, files);
        return new Choice.Refused(
                by + " names \"" + RawValue.printable(name) + "\", which is not there",
                near.isPresent() ? "did you mean \"" + near.get() + "\"?" : "name one of " + list(files));
    }

    private static String list(List<String> files) {
        if (files.isEmpty()) {
            return "no file";
        }
        String shown = String.join(", ", files.subList(0, Math.min(files.size(), MOST_NAMES)));
        return files.size() > MOST_NAMES ? shown + " and " + (files.size() - MOST_NAMES) + " more" : shown;
    }
}
