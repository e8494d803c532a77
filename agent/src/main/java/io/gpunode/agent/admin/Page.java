package io.gpunode.agent.admin;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/** What a path answers to GET. Asked on the event loop: it reads what is in memory and never blocks. */
public interface Page {
    /** Takes the body of an answer. */
    @FunctionalInterface
    interface Body {
        /** Appends the first {@code length} bytes; the array may change afterwards. */
        void write(byte[] bytes, int length);

        /** Appends text as UTF-8. */
        default void write(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            write(bytes, bytes.length);
        }
    }

    /** The value of header {@code Content-Type}. */
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
