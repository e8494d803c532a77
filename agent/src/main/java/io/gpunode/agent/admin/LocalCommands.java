package io.gpunode.agent.admin;

/**
 * What the agent does for those who may use its local socket, which is root alone. Asked with {@code POST} and answered in lines while it is done; the other
 * listeners know nothing of it.
 */
public interface LocalCommands {
    /** None. */
    LocalCommands NONE = new LocalCommands() {
        @Override
        public boolean has(String path) {
            return false;
        }

        @Override
        public void run(String path, Answer answer) {
            throw new IllegalArgumentException("there is no command " + path);
        }
    };

    /** Whether there is a command at a path. Any thread. */
    boolean has(String path);

    /** Begins; returns at once. On the event loop. */
    void run(String path, Answer answer);

    /** What the client reads. Any thread; a client that has gone is no failure. */
    interface Answer {
        /** A line without its end. Left out for a client that does not read. */
        void line(String text);

        /** The last line; the connection is closed behind it. Once. */
        void end(String text);
    }
}
