package io.gpunode.agent.doctor;

import java.util.List;

/**
 * One thing that was looked at.
 *
 * @param check the check's fixed name: {@code driver}, {@code containerd}, …
 * @param level how it stands
 * @param what one sentence for people
 * @param remedy what to type or to write into which file, line by line; empty when nothing is to be done
 */
public record Diagnosis(String check, Level level, String what, List<String> remedy) {
    /** How something stands. */
    public enum Level {
        /** As it should be. */
        OK,
        /** Works, and somebody may want to know; or could not be looked at. */
        NOTE,
        /** Keeps GPU pods from starting or from keeping their GPU. */
        PROBLEM
    }

    public Diagnosis {
        remedy = List.copyOf(remedy);
    }

    static Diagnosis ok(String check, String what) {
        return new Diagnosis(check, Level.OK, what, List.of());
    }

    static Diagnosis note(String check, String what, String... remedy) {
        return new Diagnosis(check, Level.NOTE, what, List.of(remedy));
    }

    static Diagnosis problem(String check, String what, String... remedy) {
        return new Diagnosis(check, Level.PROBLEM, what, List.of(remedy));
    }
}
