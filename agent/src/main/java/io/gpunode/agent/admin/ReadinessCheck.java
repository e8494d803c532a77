package io.gpunode.agent.admin;

/** One thing that must be so before the node may be given GPU work. */
public interface ReadinessCheck {
    /**
     * How it stands.
     *
     * @param ok whether it is so
     * @param reason what is so or why it is not, one sentence
     * @param nextStep what a person can do about it, with the command; empty when there is nothing to do
     */
    record Condition(boolean ok, String reason, String nextStep) {
        /** It is so. */
        public static Condition met(String reason) {
            return new Condition(true, reason, "");
        }

        /** It is not. */
        public static Condition unmet(String reason, String nextStep) {
            return new Condition(false, reason, nextStep);
        }
    }

    /** A fixed name for people, such as {@code Registered}. */
    String name();

    /** How it stands now. Never blocks, any thread. */
    Condition check();
}
