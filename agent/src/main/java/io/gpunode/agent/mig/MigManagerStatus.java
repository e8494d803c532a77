package io.gpunode.agent.mig;

import java.time.Instant;

/**
 * How the management of MIG stands.
 *
 * @param state what it does
 * @param layout the wanted layout; empty for none
 * @param origin who wants it: {@code label}, {@code configuration}, {@code memory}; empty for nobody
 * @param reason why it is not applied, with the next step, or how it was; empty where there is nothing to say
 * @param since when it became so
 * @param attempts how often a layout was looked into or applied
 * @param steps how many changes of the hardware were made
 */
public record MigManagerStatus(
        State state, String layout, String origin, String reason, Instant since, long attempts, long steps) {
    /** The states; the texts of those that the node's label shows are NVIDIA's. */
    public enum State {
        /** No layout is wanted: the GPUs stay as they are. */
        IDLE("", "idle"),
        /** It is being applied, or waited for. */
        PENDING("pending", "pending"),
        /** It is there. */
        SUCCESS("success", "success"),
        /** It is not there, and was tried. */
        FAILED("failed", "failed");

        private final String label;
        private final String text;

        State(String label, String text) {
            this.label = label;
            this.text = text;
        }

        /** What the node's label says; empty for no label. */
        public String label() {
            return label;
        }

        @Override
        public String toString() {
            return text;
        }
    }
}
