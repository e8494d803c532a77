package io.gpunode.agent.config;

/**
 * The text of the ConfigMap that holds the metric fields, as far as an API server has told it. Implemented by the API server's client; any thread.
 */
@FunctionalInterface
public interface ConfigMapSource {
    /** Before anybody could ask. */
    ConfigMapSource NOT_ASKED = _ -> new Answer.Unknown("the API server has not been asked yet");

    /**
     * What is known of it now. Never blocks; what was read last stays while the API server cannot be reached.
     *
     * @param map its namespace and name with a colon between them
     */
    Answer text(String map);

    /** What is known of a ConfigMap. */
    sealed interface Answer {
        /** What stands under its key {@code metrics}. */
        record Text(String text) implements Answer {}

        /**
         * It has not been read.
         *
         * @param why one phrase
         */
        record Unknown(String why) implements Answer {}
    }
}
