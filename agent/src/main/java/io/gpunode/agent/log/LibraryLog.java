package io.gpunode.agent.log;

import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/**
 * Takes what gRPC and Netty log through {@code java.util.logging} and writes it as lines of our own: their severe records as warnings, because the
 * agent itself says what an error means, and the rest as debug lines. Without it a broken connection would put a stack trace on standard error.
 */
public final class LibraryLog extends Handler {
    private static final Log LOG = Log.of(LibraryLog.class);

    private LibraryLog() {}

    /** Replaces the handlers of the root logger; once, before the libraries log. */
    public static void install() {
        LogManager.getLogManager().reset();
        Logger root = Logger.getLogger("");
        root.setLevel(Level.WARNING);
        root.addHandler(new LibraryLog());
    }

    @Override
    public void publish(LogRecord entry) {
        boolean severe = entry.getLevel().intValue() >= Level.SEVERE.intValue();
        if (!severe && !LOG.debugEnabled()) {
            return;
        }
        Throwable thrown = entry.getThrown();
        Object[] keys = {
            "logger", String.valueOf(entry.getLoggerName()), "error", thrown == null ? "" : String.valueOf(thrown)
        };
        String text = String.valueOf(entry.getMessage());
        if (severe) {
            LOG.warn(text, keys);
        } else {
            LOG.debug(text, keys);
        }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
}
