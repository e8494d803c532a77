package io.gpunode.agent.os;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads what was compressed. Gzip is read by the JDK; xz, zstd and bzip2 by their programs, which read from a pipe, so that an archive inside of another file
 * needs no copy of itself. A program lives until the stream is closed.
 */
public final class Decompression {
    private static final int BUFFER_BYTES = 64 << 10;
    private static final int ERROR_LIMIT = 500;
    private static final Duration END = Duration.ofSeconds(5);

    private Decompression() {}

    /** How something is compressed. */
    public enum Form {
        NONE(""),
        GZIP(""),
        XZ("xz"),
        ZSTD("zstd"),
        BZIP2("bzip2");

        private final String program;

        Form(String program) {
            this.program = program;
        }

        /** The program that reads it; empty where none is needed. */
        public String program() {
            return program;
        }

        /** By the first bytes of what is compressed; {@code NONE} when they are those of no known form. */
        public static Form of(byte[] start) {
            if (begins(start, 0x1f, 0x8b)) {
                return GZIP;
            }
            if (begins(start, 0xfd, '7', 'z', 'X', 'Z', 0)) {
                return XZ;
            }
            if (begins(start, 0x28, 0xb5, 0x2f, 0xfd)) {
                return ZSTD;
            }
            return begins(start, 'B', 'Z', 'h') ? BZIP2 : NONE;
        }

        private static boolean begins(byte[] start, int... bytes) {
            if (start.length < bytes.length) {
                return false;
            }
            for (int i = 0; i < bytes.length; i++) {
                if ((start[i] & 0xff) != bytes[i]) {
                    return false;
                }
            }
            return true;
        }
    }

    /**
     * Opens it. Closing the stream ends the program and closes what is compressed.
     *
     * @param compressed from its first byte on
     * @param program to use instead of the usual one; null for the usual one
     * @throws IOException when there is no such program, or a gzip has no head
     */
    public static InputStream open(InputStream compressed, Form form, @Nullable Path program) throws IOException {
        return switch (form) {
            case NONE -> compressed;
            case GZIP -> new GZIPInputStream(compressed, BUFFER_BYTES);
            case XZ, ZSTD, BZIP2 ->
                new Piped(compressed, List.of(program == null ? form.program : program.toString(), "-d", "-c"));
        };
    }

    /** A program's output. */
    private static final class Piped extends FilterInputStream {
        private final Process process;
        private final InputStream compressed;
        private final String name;
        private final Thread feeder;
        private volatile String error = "";
        private final Thread errors;
        private volatile @Nullable IOException failure;
        private boolean ended;

        Piped(InputStream compressed, List<String> command) throws IOException {
            this(compressed, command.getFirst(), started(command));
        }

        private Piped(InputStream compressed, String name, Process process) {
            super(process.getInputStream());
            this.process = process;
            this.compressed = compressed;
            this.name = name;
            this.feeder = Thread.ofVirtual().name("decompression-input").start(this::feed);
            this.errors = Thread.ofVirtual().name("decompression-errors").start(this::readErrors);
        }

        private static Process started(List<String> command) throws IOException {
            ProcessBuilder builder = new ProcessBuilder(command);
            SystemCommandRunner.plainEnvironment(builder.environment());
            return builder.start();
        }

        private void feed() {
            byte[] buffer = new byte[BUFFER_BYTES];
            try (OutputStream out = process.getOutputStream()) {
                for (int count = compressed.read(buffer); count >= 0; count = compressed.read(buffer)) {
                    try {
                        out.write(buffer, 0, count);
                    } catch (IOException e) {
                        // The program has ended early: its exit status says why, or it has all that it wants.
                        return;
                    }
                }
            } catch (IOException e) {
                failure = e;
            }
        }

        private void readErrors() {
            try (InputStream in = process.getErrorStream()) {
                byte[] start = in.readNBytes(ERROR_LIMIT);
                error = new String(start, StandardCharsets.UTF_8).strip();
                in.skip(Long.MAX_VALUE);
            } catch (IOException e) {
                // What it said of its failure is lost; the exit status is not.
            }
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            int count = read(one, 0, 1);
            return count < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            int count = in.read(bytes, offset, length);
            if (count < 0 && !ended) {
                ended = true;
                atEnd();
            }
            return count;
        }

        private void atEnd() throws IOException {
            try {
                if (!process.waitFor(END.toMillis(), TimeUnit.MILLISECONDS)) {
                    throw new IOException(name + " has closed its output and does not end");
                }
                errors.join(END);
                if (failure != null) {
                    throw new IOException("what is compressed cannot be read: " + failure.getMessage(), failure);
                }
                if (process.exitValue() != 0) {
                    throw new IOException(
                            name + " ended with status " + process.exitValue() + (error.isEmpty() ? "" : ": " + error));
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while " + name + " ends", e);
            }
        }

        @Override
        public void close() throws IOException {
            process.destroyForcibly();
            try {
                super.close();
            } finally {
                compressed.close();
            }
            boolean interrupted = false;
            try {
                feeder.join(END);
                process.waitFor(END.toMillis(), TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
