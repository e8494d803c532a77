package io.gpunode.agent.config;

/**
 * The labels of this node's own object, as far as an API server has told them. One of them may choose the configuration. Implemented by the API
 * server's client; any thread.
 */
public interface NodeLabels {
    /** Where no API server is used. */
    NodeLabels NONE = unknown("no API server is used", false);

    /** Before anybody could ask. */
    NodeLabels NOT_ASKED = unknown("the API server has not been asked yet", true);

    private static NodeLabels unknown(String why, boolean pending) {
        return new NodeLabels() {
            @Override
            public Answer label(String name) {
                return new Answer.Unknown(why);
            }

            @Override
            public boolean pending() {
                return pending;
            }

            @Override
            public void onChange(Runnable changed) {
                // Nothing changes.
            }
        };
    }

    /** What is known of a label now. Never blocks; the newest answer stays while the API server cannot be reached. */
    Answer label(String name);

    /** Whether the first answer is still to come: nothing is known, and there is somebody who may say it. */
    boolean pending();

    /**
     * Names who is told.
     *
     * @param changed called when an answer may differ from the one before, the first one included; quick, on any thread
     */
    void onChange(Runnable changed);

    /** What is known of a label. */
    sealed interface Answer {
        /**
         * The node has it.
         *
         * @param value may be empty
         */
        record Value(String value) implements Answer {}

        /** The node does not have it. */
        record NotSet() implements Answer {}

        /**
         * The node's object has not been read.
         *
         * @param why one phrase
         */
        record Unknown(String why) implements Answer {}
    }
}
