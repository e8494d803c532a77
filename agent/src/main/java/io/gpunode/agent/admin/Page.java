package io.gpunode.agent.admin;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/** What a path answers to GET. Asked on the event loop: it reads what is in memory and never blocks. */
public interface Page {
    /** {@code Content-Security-Policy} of an answer that sets no other: a browser loads and runs nothing for it, and shows it in no frame. */
    String RUNS_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /** One exchange: what was asked, and the answer that it gets. */
    @FunctionalInterface
    interface Body {
        /** Appends {@code count} bytes from {@code from} on; the array may change afterwards. */
        void write(byte[] bytes, int from, int count);

        /** Appends the first {@code length} bytes; the array may change afterwards. */
        default void write(byte[] bytes, int length) {
            write(bytes, 0, length);
        }

        /** The value of a header of the request, several of that name with commas between them; empty when there is none. */
        default String asked(String header) {
            return "";
        }

        /** Sets a header of the answer, {@code Content-Type} among them. */
        default void header(String name, String value) {}

        /** Appends text as UTF-8. */
        default void write(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            write(bytes, bytes.length);
        }
    }

    /** The value of header {@code Content-Type}, unless {@link #write} sets another. */
    String contentType();

    /**
     * Writes the body.
     *
     * @return the HTTP status. What it throws is answered with 500 and logged
     */
    int write(Body body);

    /** A page that always answers with 200. */
    static Page of(String contentType, Consumer<Body> writer) {
        return new Page() {
            @Override
            public String contentType() {
                return contentType;
            }

            @Override
            public int write(Body body) {
                writer.accept(body);
                return 200;
            }
        };
    }
}
