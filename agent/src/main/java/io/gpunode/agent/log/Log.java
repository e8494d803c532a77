package io.gpunode.agent.log;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * The agent's log: one line per event on standard error, an event text and keys from a small fixed vocabulary ({@code gpu}, {@code pci},
 * {@code xid}, {@code nvmlFunction}, {@code nvmlReturn}, {@code generation}, {@code resource}, {@code socket}, {@code error}). Lines carry
 * the priority prefix that journald reads ({@code <3>} …) when the stream is the journal, and a wall time otherwise.
 *
 * <p>The sink is process-wide and set once by the command line before anything is started. Thread-safe. A logging library would cost more
 * memory than everything it would log: the measured difference is in {@code docs/decisions}.
 */
public final class Log {
    /** How bad, in journald's numbers. */
    public enum Level {
        ERROR(3),
        WARN(4),
        INFO(6),
        DEBUG(7);

        private final int priority;

        Level(int priority) {
            this.priority = priority;
        }

        /** Reads {@code error}, {@code warn}, {@code info}, {@code debug}. */
        public static Level parse(String text) {
            return switch (text.toLowerCase(Locale.ROOT)) {
                case "error" -> ERROR;
                case "warn" -> WARN;
                case "info" -> INFO;
                case "debug" -> DEBUG;
                default ->
                    throw new IllegalArgumentException(
                            "not a log level: \"" + text + "\"; use error, warn, info or debug");
            };
        }
    }

    private static volatile Sink sink = new Sink(System.err, Level.INFO, false, () -> "");

    private final String source;

    private Log(String source) {
        this.source = source;
    }

    /** The log of a class. */
    public static Log of(Class<?> type) {
        return new Log(type.getSimpleName());
    }

    /**
     * Sets where all logs go.
     *
     * @param stream usually standard error
     * @param level the least bad level that is written
     * @param journal whether lines start with journald's priority prefix instead of a time
     * @param timeText gives the time text of a line; not called for the journal
     */
    public static void configure(PrintStream stream, Level level, boolean journal, Supplier<String> timeText) {
        sink = new Sink(stream, level, journal, timeText);
    }

    /** Changes the least bad level that is written; everything else stays. */
    public static void level(Level level) {
        Sink now = sink;
        sink = new Sink(now.stream, level, now.journal, now.timeText);
    }

    /** Whether debug lines are written; guard costly arguments with it. */
    public boolean debugEnabled() {
        return sink.level == Level.DEBUG;
    }

    /** Something that an operator must act on. Keys and values alternate. */
    public void error(String event, Object... keysAndValues) {
        write(Level.ERROR, event, keysAndValues);
    }

    /** An error with its cause; the stack trace follows. */
    public void error(String event, Throwable cause, Object... keysAndValues) {
        StringWriter trace = new StringWriter();
        cause.printStackTrace(new PrintWriter(trace));
        write(Level.ERROR, event + "\n" + trace.toString().stripTrailing(), keysAndValues);
    }

    /** Something out of the ordinary that the agent deals with by itself. */
    public void warn(String event, Object... keysAndValues) {
        write(Level.WARN, event, keysAndValues);
    }

    /** A change that an operator may want to see. */
    public void info(String event, Object... keysAndValues) {
        write(Level.INFO, event, keysAndValues);
    }

    /** A detail. */
    public void debug(String event, Object... keysAndValues) {
        write(Level.DEBUG, event, keysAndValues);
    }

    private void write(Level level, String event, Object... keysAndValues) {
        Sink out = sink;
        if (level.ordinal() > out.level.ordinal()) {
            return;
        }
        StringBuilder line = new StringBuilder(160);
        int end = event.indexOf('\n');
        line.append(source).append(": ").append(end < 0 ? event : event.substring(0, end));
        for (int i = 0; i + 1 < keysAndValues.length; i += 2) {
            line.append(' ').append(keysAndValues[i]).append('=');
            appendValue(line, String.valueOf(keysAndValues[i + 1]));
        }
        if (end >= 0) {
            line.append(event, end, event.length());
        }
        out.write(level, line.toString());
    }

    private static void appendValue(StringBuilder line, String value) {
        boolean plain = !value.isEmpty();
        for (int i = 0; i < value.length() && plain; i++) {
            char c = value.charAt(i);
            plain = c > ' ' && c != '"' && c != '=' && c < 0x7f;
        }
        if (plain) {
            line.append(value);
            return;
        }
        line.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                line.append('\\').append(c);
            } else if (c < ' ' || c == 0x7f) {
                line.append(String.format(Locale.ROOT, "\\x%02x", (int) c));
            } else {
                line.append(c);
            }
        }
        line.append('"');
    }

    private record Sink(PrintStream stream, Level level, boolean journal, Supplier<String> timeText) {
        void write(Level level, String text) {
            if (journal) {
                // journald takes each line as an entry of its own: every one needs the prefix.
                String prefix = "<" + level.priority + ">";
                stream.print(prefix + text.replace("\n", "\n" + prefix) + "\n");
            } else {
                stream.print(timeText.get() + " " + level + " " + text + "\n");
            }
            stream.flush();
        }
    }
}
