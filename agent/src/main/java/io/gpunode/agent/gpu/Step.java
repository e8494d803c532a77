package io.gpunode.agent.gpu;

import org.jspecify.annotations.Nullable;

/** Work that was handed to another thread and whose outcome the one who asked collects on a later turn. */
public final class Step<T> {
    /** How it ended. */
    public sealed interface Outcome<T> {
        /** It worked. */
        record Done<T>(T value) implements Outcome<T> {}

        /** It did not. */
        record Failed<T>(Exception cause) implements Outcome<T> {}
    }

    private volatile @Nullable Outcome<T> outcome;

    /** What is done. */
    @FunctionalInterface
    interface Work<T> {
        T run() throws Exception;
    }

    Step() {}

    /** How it ended; null while it has not. */
    public @Nullable Outcome<T> outcome() {
        return outcome;
    }

    /** Runs the work on the calling thread and keeps its outcome. */
    void run(Work<T> work) {
        try {
            outcome = new Outcome.Done<>(work.run());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            outcome = new Outcome.Failed<>(e);
        } catch (Exception e) {
            outcome = new Outcome.Failed<>(e);
        } catch (Error e) {
            outcome = new Outcome.Failed<>(new IllegalStateException("an error in the binding", e));
        }
    }
}
