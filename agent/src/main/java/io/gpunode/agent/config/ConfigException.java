package io.gpunode.agent.config;

import java.util.List;

/** The configuration cannot be used; carries every problem that was found, in the order of their places. */
public final class ConfigException extends Exception {
    private final transient List<Problem> problems;
    private final transient FileStamps stamps;

    ConfigException(List<Problem> problems, FileStamps stamps) {
        super(text(problems));
        this.problems = List.copyOf(problems);
        this.stamps = stamps;
    }

    /** The state of everything that was read. */
    public FileStamps stamps() {
        return stamps;
    }

    /** At least one. */
    public List<Problem> problems() {
        return problems;
    }

    private static String text(List<Problem> problems) {
        StringBuilder text = new StringBuilder();
        for (Problem problem : problems) {
            text.append(text.isEmpty() ? "" : "\n").append(problem);
        }
        return text.toString();
    }
}
