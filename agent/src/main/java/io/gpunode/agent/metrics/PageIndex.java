package io.gpunode.agent.metrics;

import java.util.Arrays;
import java.util.zip.CRC32;

/**
 * Where the families and series of a page are. Finds a series that is there twice, and the order of families by name; the same families in the same order as on the
 * page before cost no sorting. Owned by one {@link ExpositionWriter}, kept from page to page; not thread-safe.
 */
final class PageIndex {
    private static final int INITIAL_FAMILIES = 256;
    private static final int INITIAL_SLOTS = 4_096;

    /** Takes a piece of the page. */
    @FunctionalInterface
    interface Piece {
        void accept(int from, int to);
    }

    private MetricFamily[] families = new MetricFamily[INITIAL_FAMILIES];
    private int[] starts = new int[INITIAL_FAMILIES];
    private int[] headerEnds = new int[INITIAL_FAMILIES];
    private int[] ends = new int[INITIAL_FAMILIES];
    private int count;

    /** Whether the last family is still being written. */
    private boolean open;

    private MetricFamily[] sortedFamilies = new MetricFamily[0];
    private int[] order = new int[0];

    /** Series by checksum with linear probing: where each begins and ends; an end of 0 is a free slot. */
    private int[] seriesStarts = new int[INITIAL_SLOTS];

    private int[] seriesEnds = new int[INITIAL_SLOTS];
    private int[] checksums = new int[INITIAL_SLOTS];
    private int seriesCount;
    private final CRC32 checksum = new CRC32();

    /** Forgets the page. */
    void clear() {
        count = 0;
        open = false;
        forgetSeries();
    }

    /** A family begins. */
    void begin(MetricFamily family, int start, int headerEnd) {
        if (count == families.length) {
            families = Arrays.copyOf(families, count * 2);
            starts = Arrays.copyOf(starts, count * 2);
            headerEnds = Arrays.copyOf(headerEnds, count * 2);
            ends = Arrays.copyOf(ends, count * 2);
        }
        families[count] = family;
        starts[count] = start;
        headerEnds[count] = headerEnd;
        count++;
        open = true;
    }

    /**
     * The family being written, if any, ends.
     *
     * @return where to write on: a family without a series is no family
     */
    int end(int length) {
        if (!open) {
            return length;
        }
        open = false;
        int last = count - 1;
        if (length == headerEnds[last]) {
            count = last;
            return starts[last];
        }
        ends[last] = length;
        return length;
    }

    /** Whether a family is being written. */
    boolean open() {
        return open;
    }

    /** Whether the family being written is of counters. */
    boolean counter() {
        return families[count - 1].counter();
    }

    /**
     * A series, its name and labels from {@code from} to {@code to}.
     *
     * @return false when it is there already
     */
    boolean add(byte[] bytes, int from, int to) {
        checksum.reset();
        checksum.update(bytes, from, to - from);
        int sum = (int) checksum.getValue();
        int slot = sum & (checksums.length - 1);
        while (seriesEnds[slot] != 0) {
            if (checksums[slot] == sum && Arrays.equals(bytes, seriesStarts[slot], seriesEnds[slot], bytes, from, to)) {
                return false;
            }
            slot = (slot + 1) & (checksums.length - 1);
        }
        seriesStarts[slot] = from;
        seriesEnds[slot] = to;
        checksums[slot] = sum;
        seriesCount++;
        if (seriesCount * 2 > checksums.length) {
            rehash(checksums.length * 2, to + 1);
        }
        return true;
    }

    /** What was written from {@code length} on is gone. */
    void truncate(int length) {
        while (count > 0 && starts[count - 1] >= length) {
            count--;
            open = false;
        }
        rehash(checksums.length, length);
    }

    /** The page's pieces, families in the order of their names; of two with one name only the first has its header. */
    void pieces(Piece piece) {
        if (count == 0) {
            return;
        }
        sort();
        int from = 0;
        int to = starts[0];
        for (int i = 0; i < count; i++) {
            int place = order[i];
            boolean repeated = i > 0 && families[order[i - 1]].name().equals(families[place].name());
            int start = repeated ? headerEnds[place] : starts[place];
            if (start != to) {
                if (to > from) {
                    piece.accept(from, to);
                }
                from = start;
            }
            to = ends[place];
        }
        piece.accept(from, to);
    }

    private void sort() {
        if (sortedFamilies.length == count && Arrays.equals(sortedFamilies, 0, count, families, 0, count)) {
            return;
        }
        sortedFamilies = Arrays.copyOf(families, count);
        Integer[] places = new Integer[count];
        Arrays.setAll(places, i -> i);
        Arrays.sort(places, (a, b) -> families[a].name().compareTo(families[b].name()));
        order = new int[count];
        Arrays.setAll(order, i -> places[i]);
    }

    private void forgetSeries() {
        if (seriesCount > 0) {
            Arrays.fill(seriesEnds, 0);
            seriesCount = 0;
        }
    }

    /** Keeps the series that end before {@code before}. */
    private void rehash(int slots, int before) {
        int[] oldStarts = seriesStarts;
        int[] oldEnds = seriesEnds;
        int[] oldChecksums = checksums;
        seriesStarts = new int[slots];
        seriesEnds = new int[slots];
        checksums = new int[slots];
        seriesCount = 0;
        for (int i = 0; i < oldEnds.length; i++) {
            if (oldEnds[i] != 0 && oldEnds[i] < before) {
                int slot = oldChecksums[i] & (slots - 1);
                while (seriesEnds[slot] != 0) {
                    slot = (slot + 1) & (slots - 1);
                }
                seriesStarts[slot] = oldStarts[i];
                seriesEnds[slot] = oldEnds[i];
                checksums[slot] = oldChecksums[i];
                seriesCount++;
            }
        }
    }
}
