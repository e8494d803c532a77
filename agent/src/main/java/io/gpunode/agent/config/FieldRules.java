package io.gpunode.agent.config;

import java.util.Optional;

/** What there is to say about the choice of a metric field. Implemented by whoever knows the fields; pure, any thread. */
@FunctionalInterface
public interface FieldRules {
    /** Empty when it is shown as it was chosen. */
    Optional<Remark> judge(FieldChoice choice);

    /**
     * @param gravity what follows from it
     * @param what is the matter, in a phrase that begins with the name
     * @param nextStep what to do about it
     */
    record Remark(Gravity gravity, String what, String nextStep) {}

    /** What follows from a remark. */
    enum Gravity {
        /** The field is shown, in another way than was asked for. */
        SHOWN,
        /** The field exists, and this node's library has no way to read it: refused unless such fields are to be left out. */
        UNAVAILABLE,
        /** There is no such field. */
        UNKNOWN
    }
}
