package io.gpunode.agent.config;

/**
 * Where a value stands.
 *
 * @param problemText as problems name it, with the column when it is in a file
 * @param sourceText as {@code config show} names it
 */
public record Place(String problemText, String sourceText) {
    static final Place DEFAULT = new Place("default", "default");

    static Place flag(String flag) {
        String text = "flag " + (flag.startsWith("-") ? flag : "--" + flag);
        return new Place(text, text);
    }

    static Place environment(String variable) {
        return new Place("environment " + variable, "environment " + variable);
    }

    /** A file as a whole. */
    public static Place file(String file) {
        return new Place(file, "file " + file);
    }

    /** Lines and columns count from 1. */
    public static Place file(String file, int line, int column) {
        return new Place(file + ":" + line + ":" + column, "file " + file + ":" + line);
    }
}
