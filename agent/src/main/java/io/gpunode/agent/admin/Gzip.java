package io.gpunode.agent.admin;

import io.netty.buffer.ByteBuf;
import java.util.Locale;
import java.util.zip.CRC32;
import java.util.zip.Deflater;

/**
 * Compresses one body after the other into gzip streams (RFC 1952), piece by piece as a page writes them, so that no page is held twice. Fast rather than small: pages of
 * metrics repeat themselves so much that the fastest level already makes a thirteenth of them. Its quarter of a MiB of native memory is kept from body to body, until
 * the collector takes it. Owned by the event loop.
 */
final class Gzip {
    private static final int CHUNK_BYTES = 8_192;

    /** Magic number, deflate, no flags, no time, fastest, Unix. */
    private static final byte[] HEADER = {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 4, 3};

    private final Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
    private final CRC32 checksum = new CRC32();
    private final byte[] chunk = new byte[CHUNK_BYTES];

    /**
     * Whether a request prefers gzip to nothing (RFC 9110 §12.5.3).
     *
     * @param acceptEncoding the request's header {@code Accept-Encoding}; empty when there is none
     */
    static boolean preferred(String acceptEncoding) {
        double gzip = -1;
        double identity = -1;
        double other = -1;
        for (String part : acceptEncoding.split(",", -1)) {
            int semicolon = part.indexOf(';');
            double weight = semicolon < 0 ? 1 : weight(part.substring(semicolon + 1));
            switch ((semicolon < 0 ? part : part.substring(0, semicolon))
                    .strip()
                    .toLowerCase(Locale.ROOT)) {
                case "gzip", "x-gzip" -> gzip = Math.max(gzip, weight);
                case "identity" -> identity = weight;
                case "*" -> other = weight;
                default -> {}
            }
        }
        if (gzip < 0) {
            gzip = other;
        }
        return gzip > 0 && gzip >= identity;
    }

    /** Begins a stream. */
    void begin(ByteBuf to) {
        deflater.reset();
        checksum.reset();
        to.writeBytes(HEADER);
    }

    /** Compresses the next piece. */
    void write(byte[] bytes, int from, int count, ByteBuf to) {
        checksum.update(bytes, from, count);
        deflater.setInput(bytes, from, count);
        while (!deflater.needsInput()) {
            drain(to);
        }
    }

    /** Ends the stream. How many bytes went in. */
    int end(ByteBuf to) {
        deflater.finish();
        while (!deflater.finished()) {
            drain(to);
        }
        int size = (int) deflater.getBytesRead();
        to.writeIntLE((int) checksum.getValue()).writeIntLE(size);
        return size;
    }

    private void drain(ByteBuf to) {
        to.writeBytes(chunk, 0, deflater.deflate(chunk));
    }

    /** The weight {@code q=…} of a choice; 0 for what is none, so that it does not count. */
    private static double weight(String parameter) {
        String text = parameter.strip().toLowerCase(Locale.ROOT);
        if (!text.startsWith("q=")) {
            return 1;
        }
        try {
            double weight = Double.parseDouble(text.substring(2));
            return weight >= 0 && weight <= 1 ? weight : 0;
        } catch (NumberFormatException _) {
            return 0;
        }
    }
}
