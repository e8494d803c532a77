package io.gpunode.agent.cdi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The dynamic loader's cache, {@code /etc/ld.so.cache}, as far as it is about libraries of this machine's architecture. Layout: glibc's
 * {@code dl-cache.h}; an old part ({@code ld.so-1.7.0}) may come before the new one, all numbers are in the machine's order, which is little
 * endian wherever there is a driver.
 *
 * @param entries in the file's order
 */
record LoaderCache(List<Entry> entries) {
    /** No cache. */
    static final LoaderCache EMPTY = new LoaderCache(List.of());

    /** Flags of an entry: what a library was built for. */
    static final int X86_64 = 0x0300;

    static final int ARM64 = 0x0a00;

    private static final byte[] OLD = "ld.so-1.7.0".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] NEW = "glibc-ld.so.cache1.1".getBytes(StandardCharsets.US_ASCII);
    private static final int OLD_COUNT = 12;
    private static final int OLD_HEADER = 16;
    private static final int OLD_ENTRY = 12;
    private static final int COUNT = 20;
    private static final int HEADER = 48;
    private static final int ENTRY = 24;
    private static final int ARCHITECTURE = 0xff00;
    private static final int LONGEST = 4_096;

    /**
     * A library.
     *
     * @param name as it is looked for, such as {@code libcuda.so.1}
     * @param path of the file
     */
    record Entry(String name, String path) {}

    LoaderCache {
        entries = List.copyOf(entries);
    }

    /**
     * Reads a cache.
     *
     * @param architecture {@link #X86_64} or {@link #ARM64}; entries of others are passed over
     * @throws IOException when it is not a cache, or one whose parts lie outside of it
     */
    static LoaderCache parse(byte[] bytes, int architecture) throws IOException {
        ByteBuffer cache = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long start = 0;
        if (startsWith(bytes, 0, OLD)) {
            long end = OLD_HEADER + (long) count(cache, OLD_COUNT) * OLD_ENTRY;
            start = (end + 7) / 8 * 8;
        }
        if (!startsWith(bytes, start, NEW)) {
            throw new IOException("no \"glibc-ld.so.cache1.1\" at byte " + start);
        }
        int header = (int) start;
        int count = count(cache, header + COUNT);
        if ((long) header + HEADER + (long) count * ENTRY > bytes.length) {
            throw new IOException(count + " entries do not fit into " + bytes.length + " bytes");
        }
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int at = header + HEADER + i * ENTRY;
            if ((cache.getInt(at) & ARCHITECTURE) == architecture) {
                entries.add(new Entry(
                        string(bytes, header, cache.getInt(at + 4)), string(bytes, header, cache.getInt(at + 8))));
            }
        }
        return new LoaderCache(entries);
    }

    private static boolean startsWith(byte[] bytes, long start, byte[] magic) {
        if (start + magic.length > bytes.length) {
            return false;
        }
        for (int i = 0; i < magic.length; i++) {
            if (bytes[(int) start + i] != magic[i]) {
                return false;
            }
        }
        return true;
    }

    private static int count(ByteBuffer cache, int at) throws IOException {
        if (at + 4 > cache.limit()) {
            throw new IOException("it ends within a header");
        }
        int count = cache.getInt(at);
        if (count < 0 || count > cache.limit()) {
            throw new IOException("an impossible number of entries, " + Integer.toUnsignedLong(count));
        }
        return count;
    }

    /** Offsets count from the header of the new part. */
    private static String string(byte[] bytes, int header, int offset) throws IOException {
        long start = header + Integer.toUnsignedLong(offset);
        if (start >= bytes.length) {
            throw new IOException("a string at byte " + start + " of " + bytes.length);
        }
        int end = (int) start;
        while (end < bytes.length && bytes[end] != 0 && end - start < LONGEST) {
            end++;
        }
        return new String(bytes, (int) start, end - (int) start, StandardCharsets.UTF_8);
    }
}
