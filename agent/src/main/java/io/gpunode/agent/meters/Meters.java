package io.gpunode.agent.meters;

import java.util.function.DoubleSupplier;

/**
 * Where the agent's own counters, timers and gauges come from. Features take one in their constructor and ask for their meters once, at
 * construction: asking may be slow, recording is not. The program hands in the implementation that {@code /metrics} shows; {@link #NONE} keeps
 * nothing. Asking twice for the same name and tags gives meters that add up in the same place.
 *
 * <p>Names are in Prometheus form with their unit and without the suffix that the exposition adds: {@code gpu_node_agent_grpc_requests},
 * {@code gpu_node_agent_grpc_request_seconds}. Tags alternate key and value; one name always has the same keys, and their values come from a
 * small fixed set. Any thread.
 */
public interface Meters {
    /** Keeps nothing. */
    Meters NONE = new Meters() {
        @Override
        public Counter counter(String name, String help, String... tags) {
            return _ -> {};
        }

        @Override
        public Timer timer(String name, String help, String... tags) {
            return _ -> {};
        }

        @Override
        public void gauge(String name, String help, DoubleSupplier value, String... tags) {}
    };

    /** A count that only grows. */
    Counter counter(String name, String help, String... tags);

    /** Durations: how many, their sum and their largest. */
    Timer timer(String name, String help, String... tags);

    /**
     * A number that is asked for when it is shown.
     *
     * @param value quick, never blocks; {@code NaN} while there is no number
     */
    void gauge(String name, String help, DoubleSupplier value, String... tags);

    /** See {@link #counter}. */
    @FunctionalInterface
    interface Counter {
        /** Adds {@code amount}, which is not negative. */
        void add(long amount);

        /** Adds one. */
        default void increment() {
            add(1);
        }
    }

    /** See {@link #timer}. */
    @FunctionalInterface
    interface Timer {
        /** Records one duration in nanoseconds. */
        void record(long nanos);
    }
}
