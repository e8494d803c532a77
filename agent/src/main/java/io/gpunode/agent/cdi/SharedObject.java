package io.gpunode.agent.cdi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.util.Optional;

/**
 * What the head of a shared object says. Layout: the ELF specification, 64 bits, little endian. Four short reads, wherever they lead in a damaged
 * file.
 *
 * @param foreign whether it is for another architecture: the 32-bit twin of a driver's library has the same file name
 * @param soname the name under which the loader looks for it, which {@code ldconfig} would make a link of; empty when it has none, when the file
 *     is not ELF, or when it is no file name
 */
record SharedObject(boolean foreign, Optional<String> soname) {
    private static final int MAGIC = 0x464c457f;
    private static final int HEADER = 64;
    private static final int PROGRAM_HEADER = 56;
    private static final int MOST_PROGRAM_HEADERS = 64;
    private static final int LOAD = 1;
    private static final int DYNAMIC = 2;
    private static final int DYNAMIC_ENTRY = 16;
    private static final int MOST_DYNAMIC_ENTRIES = 512;
    private static final int STRING_TABLE = 5;
    private static final int SONAME = 14;
    private static final int LONGEST_NAME = 255;

    private static final int MACHINE = "aarch64".equals(System.getProperty("os.arch")) ? 183 : 62;

    /** Reads the head of a file. */
    static SharedObject read(SeekableByteChannel file) throws IOException {
        ByteBuffer header = read(file, 0, HEADER);
        if (header.remaining() < HEADER || header.getInt(0) != MAGIC) {
            return new SharedObject(false, Optional.empty());
        }
        boolean foreign = header.get(4) != 2 || header.get(5) != 1 || header.getShort(18) != MACHINE;
        return new SharedObject(foreign, foreign ? Optional.empty() : soname(file, header));
    }

    private static Optional<String> soname(SeekableByteChannel file, ByteBuffer header) throws IOException {
        int count = Math.min(Short.toUnsignedInt(header.getShort(56)), MOST_PROGRAM_HEADERS);
        if (Short.toUnsignedInt(header.getShort(54)) != PROGRAM_HEADER) {
            return Optional.empty();
        }
        ByteBuffer programs = read(file, header.getLong(32), count * PROGRAM_HEADER);
        int dynamic = -1;
        for (int at = 0; at + PROGRAM_HEADER <= programs.remaining(); at += PROGRAM_HEADER) {
            if (programs.getInt(at) == DYNAMIC) {
                dynamic = at;
            }
        }
        if (dynamic < 0) {
            return Optional.empty();
        }
        long size = programs.getLong(dynamic + 32);
        ByteBuffer entries = read(
                file,
                programs.getLong(dynamic + 8),
                size < 0 ? 0 : (int) Math.min(size, MOST_DYNAMIC_ENTRIES * DYNAMIC_ENTRY));
        long strings = -1;
        long name = -1;
        for (int at = 0; at + DYNAMIC_ENTRY <= entries.remaining() && entries.getLong(at) != 0; at += DYNAMIC_ENTRY) {
            if (entries.getLong(at) == STRING_TABLE) {
                strings = fileOffset(programs, entries.getLong(at + 8));
            } else if (entries.getLong(at) == SONAME) {
                name = entries.getLong(at + 8);
            }
        }
        if (strings < 0 || name < 0 || strings + name < 0) {
            return Optional.empty();
        }
        return fileName(read(file, strings + name, LONGEST_NAME + 1));
    }

    private static Optional<String> fileName(ByteBuffer text) {
        StringBuilder name = new StringBuilder();
        while (text.hasRemaining()) {
            byte letter = text.get();
            if (letter == 0) {
                return name.isEmpty()
                                || name.toString().equals(".")
                                || name.toString().equals("..")
                        ? Optional.empty()
                        : Optional.of(name.toString());
            }
            if (letter <= ' ' || letter == '/' || letter == 0x7f) {
                return Optional.empty();
            }
            name.append((char) letter);
        }
        // It does not end where a file name has to.
        return Optional.empty();
    }

    /** Where an address of the loaded object lies in its file; -1 when nowhere. */
    private static long fileOffset(ByteBuffer programs, long address) {
        for (int at = 0; at + PROGRAM_HEADER <= programs.remaining(); at += PROGRAM_HEADER) {
            long distance = address - programs.getLong(at + 16);
            if (programs.getInt(at) == LOAD && distance >= 0 && distance < programs.getLong(at + 32)) {
                return programs.getLong(at + 8) + distance;
            }
        }
        return -1;
    }

    /** Up to so many bytes at a place; fewer where the file ends. */
    private static ByteBuffer read(SeekableByteChannel file, long position, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        if (position >= 0) {
            file.position(position);
            while (bytes.hasRemaining() && file.read(bytes) >= 0) {}
        }
        return bytes.flip();
    }
}
