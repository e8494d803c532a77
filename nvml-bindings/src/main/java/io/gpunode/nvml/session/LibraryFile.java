package io.gpunode.nvml.session;

import io.gpunode.nvml.NvmlOpenException;
import io.gpunode.nvml.NvmlOpenException.Reason;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Looks at a file before it is mapped: is it a complete ELF shared object for this machine that exports NVML's entry point? Mapping runs the
 * file's own code and a truncated one ends the process, so what can be refused is refused here, by reading the headers and
 * looking the symbol up in the file's hash table as the dynamic linker would.
 */
public final class LibraryFile {
    private static final int ELF_MAGIC = 0x464C457F;
    private static final int CLASS_64 = 2;
    private static final int LITTLE_ENDIAN = 1;
    private static final int TYPE_SHARED_OBJECT = 3;
    private static final int ELF_HEADER = 64;
    private static final int PROGRAM_HEADER = 56;
    private static final int MOST_PROGRAM_HEADERS = 256;
    private static final int SEGMENT_LOAD = 1;
    private static final int SEGMENT_DYNAMIC = 2;
    private static final int DYNAMIC_ENTRY = 16;
    private static final int LARGEST_DYNAMIC = 1 << 16;
    private static final int TAG_HASH = 4;
    private static final int TAG_STRINGS = 5;
    private static final int TAG_SYMBOLS = 6;
    private static final int TAG_GNU_HASH = 0x6FFFFEF5;
    private static final int SYMBOL = 24;
    /** More links than this in one hash chain are a broken file. */
    private static final int LONGEST_CHAIN = 1 << 16;

    private static final List<String> ENTRY_POINTS = List.of("nvmlInit_v2", "nvmlInit");

    private final FileChannel file;
    private final long size;
    private final List<Segment> segments = new ArrayList<>();

    private LibraryFile(FileChannel file) throws IOException {
        this.file = file;
        this.size = file.size();
    }

    private record Segment(long address, long offset, long length) {}

    /**
     * Refuses what is no NVML library for this machine.
     *
     * @param library an absolute path
     * @throws NvmlOpenException with every reason that can be told from the file alone
     */
    public static void check(Path library) throws NvmlOpenException {
        if (!library.isAbsolute()) {
            throw refused(
                    Reason.LIBRARY_NOT_FOUND,
                    library,
                    "The NVML library path '" + library + "' is not absolute; give the full path of libnvidia-ml.so.1.",
                    null);
        }
        BasicFileAttributes attributes = attributes(library);
        if (attributes.isDirectory()) {
            throw refused(
                    Reason.NOT_A_LIBRARY,
                    library,
                    "The NVML library " + library + " is a directory; name the file libnvidia-ml.so.1 in it.",
                    null);
        }
        if (!attributes.isRegularFile()) {
            throw refused(
                    Reason.NOT_A_LIBRARY,
                    library,
                    "The NVML library " + library + " is not a regular file; name the driver's libnvidia-ml.so.1.",
                    null);
        }
        if (!Files.isReadable(library)) {
            throw notReadable(library, null);
        }
        try (FileChannel file = FileChannel.open(library, StandardOpenOption.READ)) {
            new LibraryFile(file).checkContent(library);
        } catch (EOFException e) {
            throw refused(
                    Reason.NOT_A_LIBRARY,
                    library,
                    "The NVML library " + library + " is damaged or cut short (" + e.getMessage()
                            + "); install the driver's user-space libraries again.",
                    e);
        } catch (IOException e) {
            throw unreadable(library, e);
        }
    }

    private static BasicFileAttributes attributes(Path library) throws NvmlOpenException {
        try {
            return Files.readAttributes(library, BasicFileAttributes.class);
        } catch (NoSuchFileException e) {
            throw refused(Reason.LIBRARY_NOT_FOUND, library, notFound(library), e);
        } catch (AccessDeniedException e) {
            throw notReadable(library, e);
        } catch (IOException e) {
            throw unreadable(library, e);
        }
    }

    private static NvmlOpenException notReadable(Path library, @Nullable Throwable cause) {
        return refused(
                Reason.LIBRARY_NOT_READABLE,
                library,
                "The NVML library " + library
                        + " may not be read by this process; allow reading it (chmod a+r) or run the process as a user who may.",
                cause);
    }

    private static NvmlOpenException unreadable(Path library, IOException cause) {
        return refused(
                Reason.LIBRARY_NOT_READABLE,
                library,
                "The NVML library " + library + " cannot be read (" + cause.getMessage()
                        + "); check the path and the file system it lies on.",
                cause);
    }

    private static String notFound(Path library) {
        if (Files.exists(library, LinkOption.NOFOLLOW_LINKS)) {
            String target;
            try {
                target = Files.readSymbolicLink(library).toString();
            } catch (IOException | UnsupportedOperationException e) {
                target = "a place that cannot be read";
            }
            return "The NVML library " + library + " is a link to " + target
                    + ", which does not exist; install the driver's user-space libraries again.";
        }
        return "The NVML library " + library
                + " does not exist; install the NVIDIA driver's user-space libraries or set the driver root to where they are.";
    }

    private void checkContent(Path library) throws IOException, NvmlOpenException {
        if (size == 0) {
            throw refused(
                    Reason.NOT_A_LIBRARY,
                    library,
                    "The NVML library " + library + " is empty; install the driver's user-space libraries again.",
                    null);
        }
        ByteBuffer start = read(0, (int) Math.min(size, ELF_HEADER));
        if (size < 20 || start.getInt(0) != ELF_MAGIC) {
            throw refused(
                    Reason.NOT_A_LIBRARY,
                    library,
                    "The NVML library " + library + " is not an ELF file; name the driver's libnvidia-ml.so.1.",
                    null);
        }
        checkMachine(library, start);
        if (size < ELF_HEADER) {
            throw new EOFException("no complete ELF header");
        }
        if (start.getShort(16) != TYPE_SHARED_OBJECT) {
            throw refused(
                    Reason.NOT_A_LIBRARY,
                    library,
                    "The NVML library " + library + " is an ELF file of type " + start.getShort(16)
                            + " and not a shared object; name the driver's libnvidia-ml.so.1.",
                    null);
        }
        if (!exportsEntryPoint(start)) {
            throw notNvml(library, null);
        }
    }

    private static void checkMachine(Path library, ByteBuffer start) throws NvmlOpenException {
        Machine own = Machine.current();
        int wordSize = start.get(4) == CLASS_64 ? 64 : 32;
        boolean littleEndian = start.get(5) == LITTLE_ENDIAN;
        int machine = Short.toUnsignedInt(littleEndian ? start.getShort(18) : Short.reverseBytes(start.getShort(18)));
        if (wordSize != 64 || !littleEndian || machine != own.elfNumber()) {
            throw refused(
                    Reason.WRONG_ARCHITECTURE,
                    library,
                    "The NVML library " + library + " is built for " + Machine.describe(machine) + " (" + wordSize
                            + " bit) and this process is " + own.label()
                            + " (64 bit); install the driver's libraries for this architecture or set the driver root to them.",
                    null);
        }
    }

    /** The refusal of a shared object without NVML's entry points. */
    static NvmlOpenException notNvml(Path library, @Nullable Throwable cause) {
        return refused(
                Reason.NOT_NVML,
                library,
                "The shared library " + library
                        + " exports neither nvmlInit_v2 nor nvmlInit and so is not NVML; name the driver's libnvidia-ml.so.1.",
                cause);
    }

    private boolean exportsEntryPoint(ByteBuffer header) throws IOException {
        long table = header.getLong(32);
        int entrySize = Short.toUnsignedInt(header.getShort(54));
        int entries = Short.toUnsignedInt(header.getShort(56));
        if (entrySize < PROGRAM_HEADER || entries == 0 || entries > MOST_PROGRAM_HEADERS) {
            throw new EOFException("no usable program headers");
        }
        ByteBuffer programHeaders = read(table, entrySize * entries);
        long dynamicOffset = 0;
        long dynamicLength = 0;
        for (int i = 0; i < entries; i++) {
            int at = i * entrySize;
            long offset = programHeaders.getLong(at + 8);
            long length = programHeaders.getLong(at + 32);
            switch (programHeaders.getInt(at)) {
                case SEGMENT_LOAD -> {
                    requireInside(offset, length);
                    segments.add(new Segment(programHeaders.getLong(at + 16), offset, length));
                }
                case SEGMENT_DYNAMIC -> {
                    dynamicOffset = offset;
                    dynamicLength = length;
                }
                default -> {}
            }
        }
        if (dynamicLength < DYNAMIC_ENTRY || dynamicLength > LARGEST_DYNAMIC) {
            throw new EOFException("no dynamic section");
        }
        return lookUp(read(dynamicOffset, (int) dynamicLength));
    }

    private boolean lookUp(ByteBuffer dynamic) throws IOException {
        long symbols = 0;
        long strings = 0;
        long hash = 0;
        long gnuHash = 0;
        for (int at = 0; at + DYNAMIC_ENTRY <= dynamic.limit(); at += DYNAMIC_ENTRY) {
            long value = dynamic.getLong(at + 8);
            switch ((int) dynamic.getLong(at)) {
                case TAG_SYMBOLS -> symbols = value;
                case TAG_STRINGS -> strings = value;
                case TAG_HASH -> hash = value;
                case TAG_GNU_HASH -> gnuHash = value;
                default -> {}
            }
        }
        if (symbols == 0 || strings == 0) {
            return false;
        }
        for (String name : ENTRY_POINTS) {
            boolean found = gnuHash != 0
                    ? inGnuHash(fileOffset(gnuHash), fileOffset(symbols), fileOffset(strings), name)
                    : hash != 0 && inHash(fileOffset(hash), fileOffset(symbols), fileOffset(strings), name);
            if (found) {
                return true;
            }
        }
        return false;
    }

    private boolean inGnuHash(long table, long symbols, long strings, String name) throws IOException {
        ByteBuffer head = read(table, 16);
        long buckets = Integer.toUnsignedLong(head.getInt(0));
        long firstSymbol = Integer.toUnsignedLong(head.getInt(4));
        long bloomWords = Integer.toUnsignedLong(head.getInt(8));
        if (buckets == 0) {
            return false;
        }
        int wanted = 5381;
        for (int i = 0; i < name.length(); i++) {
            wanted = wanted * 33 + name.charAt(i);
        }
        long bucketTable = table + 16 + bloomWords * 8;
        long chains = bucketTable + buckets * 4;
        long symbol = Integer.toUnsignedLong(read(bucketTable + Integer.toUnsignedLong(wanted) % buckets * 4, 4)
                .getInt(0));
        if (symbol < firstSymbol) {
            return false;
        }
        for (int links = 0; links < LONGEST_CHAIN; links++, symbol++) {
            int link = read(chains + (symbol - firstSymbol) * 4, 4).getInt(0);
            if ((link | 1) == (wanted | 1) && isDefined(symbols, strings, symbol, name)) {
                return true;
            }
            if ((link & 1) != 0) {
                return false;
            }
        }
        throw new EOFException("its symbol table has no end");
    }

    private boolean inHash(long table, long symbols, long strings, String name) throws IOException {
        long buckets = Integer.toUnsignedLong(read(table, 4).getInt(0));
        if (buckets == 0) {
            return false;
        }
        int wanted = 0;
        for (int i = 0; i < name.length(); i++) {
            wanted = (wanted << 4) + name.charAt(i);
            int high = wanted & 0xF0000000;
            wanted = (wanted ^ high >>> 24) & ~high;
        }
        long symbol = Integer.toUnsignedLong(read(table + 8 + Integer.toUnsignedLong(wanted) % buckets * 4, 4)
                .getInt(0));
        for (int links = 0; links < LONGEST_CHAIN; links++) {
            if (symbol == 0) {
                return false;
            }
            if (isDefined(symbols, strings, symbol, name)) {
                return true;
            }
            symbol = Integer.toUnsignedLong(
                    read(table + 8 + (buckets + symbol) * 4, 4).getInt(0));
        }
        throw new EOFException("its symbol table has no end");
    }

    private boolean isDefined(long symbols, long strings, long symbol, String name) throws IOException {
        ByteBuffer entry = read(symbols + symbol * SYMBOL, SYMBOL);
        if (entry.getShort(6) == 0) {
            return false;
        }
        byte[] wanted = (name + '\0').getBytes(StandardCharsets.US_ASCII);
        long at = strings + Integer.toUnsignedLong(entry.getInt(0));
        if (at < 0 || at > size - wanted.length) {
            return false;
        }
        return read(at, wanted.length).equals(ByteBuffer.wrap(wanted));
    }

    private long fileOffset(long address) throws EOFException {
        for (Segment segment : segments) {
            if (address >= segment.address && address - segment.address < segment.length) {
                return address - segment.address + segment.offset;
            }
        }
        throw new EOFException("its tables lie outside the file");
    }

    private void requireInside(long offset, long length) throws EOFException {
        if (offset < 0 || length < 0 || offset > size || length > size - offset) {
            throw new EOFException("a part of it lies beyond its end at " + size + " bytes");
        }
    }

    private ByteBuffer read(long offset, int length) throws IOException {
        requireInside(offset, length);
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (file.read(bytes, offset + bytes.position()) < 0) {
                throw new EOFException("it became shorter while it was read");
            }
        }
        return bytes.flip();
    }

    static NvmlOpenException refused(Reason reason, Path library, String message, @Nullable Throwable cause) {
        return new NvmlOpenException(reason, library, 0, message, cause);
    }
}
