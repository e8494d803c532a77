package io.gpunode.agent.driver;

import java.time.Duration;

/** Told how far a change of the driver is, on the thread that makes it; must return at once. */
public interface DriverListener extends Progress {
    /**
     * A step is about to be made.
     *
     * @param back whether it is one on the way back
     */
    void beginning(DriverStep step, boolean back);

    /** It was made. */
    void ended(DriverStep step, Duration took);

    /** Tells nobody. */
    DriverListener NONE = new DriverListener() {
        @Override
        public void beginning(DriverStep step, boolean back) {}

        @Override
        public void ended(DriverStep step, Duration took) {}

        @Override
        public void begins(Phase phase, String what) {}

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {}
    };
}
