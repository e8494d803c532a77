package io.gpunode.agent.podresources;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One cached picture for all users. */
public interface PodResourcesSource {
    /** The last good answer; empty until there was one. Never blocks, any thread. */
    Optional<PodResourcesPicture> current();

    /** What came of a question. */
    sealed interface Answer {
        /** @param byDevice as {@link PodResourcesPicture#byDevice} */
        record Holders(Map<String, List<PodUse>> byDevice) implements Answer {}

        /** No kubelet has run since the machine was started: no pod holds anything. */
        record NoKubelet() implements Answer {}

        /** @param why there is none, for people */
        record None(String why) implements Answer {}
    }

    /**
     * Asks and waits for the answer to this very question, for one who would harm the pods that an older answer does not name. Any thread but
     * that of the source; by default what {@link #current()} has, where it has no error.
     *
     * @param limit of the wait, more than zero
     */
    default Answer ask(Duration limit) throws InterruptedException {
        Optional<PodResourcesPicture> picture = current();
        if (picture.isEmpty()) {
            return new Answer.None("it has not answered yet");
        }
        String error = picture.get().error();
        return error.isEmpty() ? new Answer.Holders(picture.get().byDevice()) : new Answer.None(error);
    }

    /** From one question to the next, as configured; zero where nobody asks. Never blocks, any thread. */
    default Duration interval() {
        return Duration.ZERO;
    }
}
