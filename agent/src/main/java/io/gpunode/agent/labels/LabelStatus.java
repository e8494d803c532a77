package io.gpunode.agent.labels;

import java.time.Duration;
import java.util.Optional;
import java.util.SortedMap;

/**
 * How the node's labels stand.
 *
 * @param sink where they are written: {@code file}, {@code node-feature} or {@code node}; {@code off}; or {@code undecided} while a place is
 *     being looked for
 * @param place the file or object; empty where there is none
 * @param state {@code off}, {@code waiting} for the first picture or a place, {@code pending} until they are written, {@code current}, or
 *     {@code failed}
 * @param reason what is waited for or wrong, with the next step; empty when nothing is
 * @param labels what they are, unmodifiable; empty before the first picture
 * @param lastWritten how long ago this process last wrote something there; empty when what it found was right already
 */
public record LabelStatus(
        String sink,
        String place,
        State state,
        String reason,
        SortedMap<String, String> labels,
        Optional<Duration> lastWritten) {
    /** The words for {@code state}. */
    public enum State {
        OFF("off"),
        WAITING("waiting"),
        PENDING("pending"),
        CURRENT("current"),
        FAILED("failed");

        private final String text;

        State(String text) {
            this.text = text;
        }

        @Override
        public String toString() {
            return text;
        }
    }
}
