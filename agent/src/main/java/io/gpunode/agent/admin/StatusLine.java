package io.gpunode.agent.admin;

import java.util.List;

/**
 * How one part of the agent stands, for people.
 *
 * @param subject what it is about, such as {@code Feature labels}
 * @param tone how good that is
 * @param state in a word or two
 * @param text the sentence behind it, with the next step where there is one; may be empty
 * @param fold what may be unfolded, in a word or two such as {@code 26 labels}
 * @param details that, one text a line; may be empty
 */
public record StatusLine(String subject, Tone tone, String state, String text, String fold, List<String> details) {
    /** How good something is. */
    public enum Tone {
        /** As it should be. */
        GOOD("good"),
        /** On its way, or not as wished and nothing is lost by it. */
        WARNING("warning"),
        /** Somebody should look. */
        BAD("bad"),
        /** Neither, such as what is switched off. */
        NEUTRAL("neutral");

        private final String cssClass;

        Tone(String cssClass) {
            this.cssClass = cssClass;
        }

        /** Its class in the page's style. */
        String cssClass() {
            return cssClass;
        }
    }

    public StatusLine {
        details = List.copyOf(details);
    }

    /** Without details. */
    public StatusLine(String subject, Tone tone, String state, String text) {
        this(subject, tone, state, text, "", List.of());
    }
}
