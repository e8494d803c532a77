package io.gpunode.agent.driver;

/**
 * Told how far a long job is. Called on the job's own thread, at most a few times a second for one phase; must return at once.
 */
public interface Progress {
    /** What is being done. */
    enum Phase {
        FETCHING("fetching"),
        CHECKING("checking"),
        UNPACKING("unpacking"),
        BUILDING("building"),
        SIGNING("signing"),
        INSTALLING("installing"),
        STORING("storing");

        private final String text;

        Phase(String text) {
            this.text = text;
        }

        /** For people. */
        public String text() {
            return text;
        }
    }

    /**
     * A phase has begun, or ended and begun with something else.
     *
     * @param what the file, package or module that it is about
     */
    void begins(Phase phase, String what);

    /**
     * How far it is.
     *
     * @param done bytes, or for {@link Phase#BUILDING} files compiled, or before these features of the kernel probed
     * @param total of the same; 0 when it is not known
     * @param perSecond of the same, since the phase began; 0 when it is not known yet
     */
    void at(Phase phase, long done, long total, long perSecond);

    /**
     * How far it is, for people, with its unit; arguments as {@link #at}.
     */
    static String amount(Phase phase, long done, long total, long perSecond) {
        boolean bytes = phase != Phase.BUILDING;
        long unit = bytes ? 1 << 20 : 1;
        return done / unit
                + (total > 0 ? " of " + total / unit : "")
                + (bytes ? " MiB" : " steps")
                + (bytes && perSecond > 0 ? ", " + perSecond / unit + " MiB/s" : "");
    }

    /** Tells nobody. */
    Progress NONE = new Progress() {
        @Override
        public void begins(Phase phase, String what) {}

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {}
    };
}
