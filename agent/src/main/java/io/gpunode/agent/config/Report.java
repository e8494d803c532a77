package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.List;

/** Collects what one load finds, so that everything can be told at once. Owned by one load. */
public final class Report {
    /** A hostile file could have a problem on each line; nobody reads more than this. */
    private static final int MOST = 100;

    private final List<Problem> problems = new ArrayList<>();
    private final List<Problem> notices = new ArrayList<>();
    private final boolean strict;

    /** @param strict whether a key that does not exist is a problem, and not only worth a notice */
    public Report(boolean strict) {
        this.strict = strict;
    }

    /** Whether keys must be known and written exactly. */
    boolean strict() {
        return strict;
    }

    /** Something that keeps the configuration from being used. */
    public void problem(Place place, String setting, String what, String nextStep) {
        add(problems, new Problem(place.problemText(), setting, what, nextStep));
    }

    /** Something that is accepted and that a person should know. */
    public void notice(Place place, String setting, String what, String nextStep) {
        add(notices, new Problem(place.problemText(), setting, what, nextStep));
    }

    /** A key of the file that does not exist. */
    void unknown(Place place, String setting, String what, String nextStep) {
        if (strict) {
            problem(place, setting, what, nextStep);
        } else {
            notice(place, setting, what + ", and is passed over", nextStep);
        }
    }

    /** What keeps it from being used, in the order in which it was found. */
    public List<Problem> problems() {
        return problems;
    }

    /** What a person should know, in the order in which it was found. */
    public List<Problem> notices() {
        return notices;
    }

    private static void add(List<Problem> list, Problem problem) {
        if (list.size() < MOST) {
            list.add(problem);
        }
    }
}
