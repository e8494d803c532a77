package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import io.gpunode.agent.log.Log;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes the pages of files that a start has touched out of this process's memory: its virtual machine, the start-up cache and libraries, of which a
 * running agent uses half. They stay in the kernel's page cache, which may keep or drop them as it does with every file, and whatever is used again
 * comes back from there, a fault for each 64 KiB.
 *
 * <p>A page that is the process's own would be lost. So only mappings are taken that cannot be written to and of which
 * {@code /proc/self/smaps} (proc(5), since Linux 2.6.14) says that no page is anonymous or swapped out: what the dynamic linker has written to before
 * it made it read-only stays. And only the runtime's own files and its cache are taken: they stay mapped where they are until the process ends, while a
 * library such as the driver's may be unloaded between the look and the call, and its addresses may then be somebody's memory.
 */
public final class FilePages {
    private static final Log LOG = Log.of(FilePages.class);
    private static final Path MAPPINGS = Path.of("/proc/self/smaps");
    private static final String RUNTIME = System.getProperty("java.home") + "/lib/";

    /** What makes a line of {@code smaps} the first of a mapping: the addresses. */
    private static final int LONGEST_ADDRESS = 16;

    private FilePages() {}

    /**
     * A mapping whose pages can be read again from its file.
     *
     * @param start the first address
     * @param bytes a multiple of the page size
     * @param residentKibibytes what of it is in memory
     */
    record Mapping(long start, long bytes, long residentKibibytes, String file) {}

    /** Gives back what can be given back. Costs some milliseconds of processor time; never fails. Any thread. */
    public static void giveBack() {
        try {
            long kibibytes = 0;
            for (Mapping mapping : mappings(MAPPINGS, RUNTIME)) {
                if (give(mapping)) {
                    kibibytes += mapping.residentKibibytes;
                }
            }
            LOG.debug("gave back pages of files", "KiB", kibibytes);
        } catch (IOException | NumberFormatException e) {
            LOG.debug("pages of files stay in memory", "error", e);
        }
    }

    private static boolean give(Mapping mapping) {
        try {
            LibC.madvise(mapping.start, mapping.bytes, LibC.MADV_DONTNEED);
            return true;
        } catch (LastErrorException e) {
            // A sandbox may forbid it; the kernel takes them when it needs memory.
            LOG.debug("a file's pages stay in memory", "file", mapping.file, "error", e);
            return false;
        }
    }

    /**
     * Those of them that have anything in memory.
     *
     * @param runtime the directory of the runtime's files
     */
    static List<Mapping> mappings(Path smaps, String runtime) throws IOException {
        List<Mapping> found = new ArrayList<>();
        try (BufferedReader lines = Files.newBufferedReader(smaps, StandardCharsets.ISO_8859_1)) {
            String mapping = "";
            long resident = 0;
            boolean own = true;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (isFirst(line)) {
                    add(found, mapping, resident, own);
                    mapping = isOfTheRuntime(line, runtime) ? line : "";
                    resident = 0;
                    own = false;
                } else if (!mapping.isEmpty() && line.startsWith("Rss:")) {
                    resident = kibibytes(line);
                } else if (!mapping.isEmpty()
                        && (line.startsWith("Anonymous:") || line.startsWith("Swap:") || line.startsWith("Locked:"))) {
                    own |= kibibytes(line) != 0;
                }
            }
            add(found, mapping, resident, own);
        }
        return found;
    }

    private static void add(List<Mapping> found, String mapping, long resident, boolean own) {
        if (mapping.isEmpty() || resident == 0 || own) {
            return;
        }
        int dash = mapping.indexOf('-');
        int blank = mapping.indexOf(' ');
        long start = Long.parseUnsignedLong(mapping, 0, dash, 16);
        long end = Long.parseUnsignedLong(mapping, dash + 1, blank, 16);
        found.add(new Mapping(start, end - start, resident, mapping.substring(mapping.indexOf('/'))));
    }

    /** {@code 7f0328ae3000-7f0329b6f000 r-xp 002e3000 fe:00 123   /path}; all others begin with a name and a colon. */
    private static boolean isFirst(String line) {
        int dash = line.indexOf('-');
        return dash > 0 && dash <= LONGEST_ADDRESS && line.indexOf(':') > dash;
    }

    /** Read-only, and of one of the runtime's files, or a start-up cache. */
    private static boolean isOfTheRuntime(String line, String runtime) {
        int rights = line.indexOf(' ') + 1;
        int path = line.indexOf('/');
        return path > 0
                && line.charAt(rights) == 'r'
                && line.charAt(rights + 1) == '-'
                && !line.endsWith(" (deleted)")
                && (line.endsWith(".aot") || line.startsWith(runtime, path));
    }

    private static long kibibytes(String line) {
        long value = 0;
        for (int i = 0; i < line.length(); i++) {
            int digit = line.charAt(i) - '0';
            if (digit >= 0 && digit <= 9) {
                value = value * 10 + digit;
            }
        }
        return value;
    }
}
