package io.gpunode.agent.metrics;

/** The ids of a row or of a family of fields: numbers and ranges with commas between them, in the family's order. */
record FieldIds(String text) {
    private static final char RANGE = '-';
    private static final char NEXT = ',';

    /** How many there are. */
    int count() {
        int count = 0;
        int at = 0;
        while (at < text.length()) {
            int end = endOfPart(at);
            count += last(at, end) - first(at, end) + 1;
            at = end + 1;
        }
        return count;
    }

    /** The id at a place; -1 when there is none. */
    int at(int place) {
        int before = 0;
        int at = 0;
        while (at < text.length()) {
            int end = endOfPart(at);
            int first = first(at, end);
            int count = last(at, end) - first + 1;
            if (place < before + count) {
                return first + place - before;
            }
            before += count;
            at = end + 1;
        }
        return -1;
    }

    /** The place of an id; -1 when it is not among them. */
    int placeOf(int id) {
        int before = 0;
        int at = 0;
        while (at < text.length()) {
            int end = endOfPart(at);
            int first = first(at, end);
            int last = last(at, end);
            if (id >= first && id <= last) {
                return before + id - first;
            }
            before += last - first + 1;
            at = end + 1;
        }
        return -1;
    }

    private int endOfPart(int start) {
        int end = text.indexOf(NEXT, start);
        return end < 0 ? text.length() : end;
    }

    private int first(int start, int end) {
        int range = text.indexOf(RANGE, start);
        return Integer.parseInt(text, start, range < 0 || range > end ? end : range, 10);
    }

    private int last(int start, int end) {
        int range = text.indexOf(RANGE, start);
        return range < 0 || range > end ? first(start, end) : Integer.parseInt(text, range + 1, end, 10);
    }
}
