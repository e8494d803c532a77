package io.gpunode.agent.metrics;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * Writes a page in the Prometheus text format, version 0.0.4, or in OpenMetrics, into a byte array that it owns and reuses: after the first scrape nothing is
 * allocated. Numbers have the form that Go's {@code expfmt} gives them in the text format (shortest digits that read back as the same double; an
 * exponent from a million upwards), so that text compared with the exporter's is equal byte for byte.
 *
 * <p>Families are handed on {@linkplain PageIndex sorted by name and each once}, in whatever order collectors wrote them. A series that readers would refuse the whole page
 * for is left out and counted: one that is on the page already, a number that is none, a counter below zero. So is a family without a series.
 *
 * <p>Owned by one {@link MetricsExposition}; not thread-safe.
 */
final class ExpositionWriter {
    private static final int INITIAL_BYTES = 64 * 1024;

    /** Whole numbers up to here are doubles exactly; beyond, the reader's double is what must be written. */
    private static final long EXACT_LIMIT = 1L << 53;

    /** Go's {@code %g} with the shortest precision writes an exponent from here on. */
    private static final int EXPONENT_FROM = 6;

    private static final byte[] END_OF_OPENMETRICS = "# EOF\n".getBytes(StandardCharsets.UTF_8);

    private static final long[] POWERS_OF_TEN = powersOfTen();

    /** A page beyond this is no page: far more than 16 GPUs, all split, with all fields. */
    private static final int LIMIT_BYTES = 8 << 20;

    private final PageIndex index = new PageIndex();
    private final long[] leftOut = new long[Reason.ALL.size()];
    private final StringBuilder doubleText = new StringBuilder(32);
    private final byte[] digits = new byte[20];
    private boolean openMetrics;
    private byte[] bytes;
    private int length;

    private String firstLeftOut = "";

    /** Where the series being written begins. */
    private int seriesStart;

    /** Why a series was left out. */
    enum Reason {
        /** It is on the page already. */
        DUPLICATE("duplicate"),
        /** Its number is none. */
        NOT_A_NUMBER("not_a_number"),
        /** It is a counter below zero. */
        NEGATIVE_COUNTER("negative_counter");

        static final List<Reason> ALL = List.of(values());

        private final String text;

        Reason(String text) {
            this.text = text;
        }

        /** The value of label {@code reason}. */
        String text() {
            return text;
        }
    }

    /** Takes a finished page, piece by piece. */
    @FunctionalInterface
    interface Sink {
        /** {@code count} bytes from {@code from} on are the next piece; they may change as soon as this returns. */
        void accept(byte[] bytes, int from, int count);
    }

    ExpositionWriter() {
        this(INITIAL_BYTES);
    }

    ExpositionWriter(int initialBytes) {
        bytes = new byte[initialBytes];
    }

    /** What was written; only the first {@link #length()} bytes count, and only until the next write. */
    byte[] bytes() {
        return bytes;
    }

    int length() {
        return length;
    }

    /** Begins a page: drops what was written. */
    void begin(ExpositionFormat format) {
        openMetrics = format.openMetrics();
        length = 0;
        seriesStart = 0;
        index.clear();
        firstLeftOut = "";
        Arrays.fill(leftOut, 0);
    }

    /** Hands the page on, its families sorted by name. */
    void finish(Sink sink) {
        index.end(length);
        index.pieces((from, to) -> sink.accept(bytes, from, to - from));
        if (openMetrics) {
            sink.accept(END_OF_OPENMETRICS, 0, END_OF_OPENMETRICS.length);
        }
    }

    /** Ends the family being written. Where the page ends now; {@link #truncate} may go back to here. */
    int mark() {
        length = index.end(length);
        seriesStart = length;
        return length;
    }

    /** The first series of this page that was left out, with the reason; empty while there was none. */
    String firstLeftOut() {
        return firstLeftOut;
    }

    /** How many series of this page were left out so far. */
    long leftOut(Reason reason) {
        return leftOut[reason.ordinal()];
    }

    /** Drops what was written after a place. */
    void truncate(int toLength) {
        length = toLength;
        seriesStart = toLength;
        index.truncate(toLength);
    }

    /** Appends prepared bytes. */
    ExpositionWriter raw(byte[] text) {
        return raw(text, 0, text.length);
    }

    ExpositionWriter raw(byte[] text, int from, int count) {
        reserve(count);
        System.arraycopy(text, from, bytes, length, count);
        length += count;
        return this;
    }

    /** Appends whole series, which are not looked at, from one place in prepared bytes to another. */
    ExpositionWriter lines(byte[] text, int from, int to) {
        raw(text, from, to - from);
        seriesStart = length;
        return this;
    }

    /** Appends text as UTF-8 without escaping. */
    ExpositionWriter text(String text) {
        int count = text.length();
        reserve(count);
        for (int i = 0; i < count; i++) {
            char c = text.charAt(i);
            if (c >= 0x80) {
                return raw(text.substring(i).getBytes(StandardCharsets.UTF_8));
            }
            bytes[length++] = (byte) c;
        }
        return this;
    }

    /** Begins a family with its two lines; what is written up to the next one belongs to it. */
    ExpositionWriter family(MetricFamily family) {
        length = index.end(length);
        int start = length;
        raw(family.header(openMetrics));
        index.begin(family, start, length);
        seriesStart = length;
        return this;
    }

    /** Begins a family with its two lines. */
    ExpositionWriter family(OwnMetric metric) {
        return family(metric.family());
    }

    /** Begins a series with its name. */
    ExpositionWriter series(MetricFamily family) {
        return raw(family.nameBytes());
    }

    /** Begins a series with its name. */
    ExpositionWriter series(OwnMetric metric) {
        return series(metric.family());
    }

    /** Begins the labels of a series with the opening brace and the first of them. */
    ExpositionWriter firstLabel(String name, String value) {
        return character('{').pair(name, value);
    }

    /** A further label. */
    ExpositionWriter label(String name, String value) {
        return character(',').pair(name, value);
    }

    /** Ends the labels. */
    ExpositionWriter endLabels() {
        return character('}');
    }

    /** Ends a series with a whole number. */
    ExpositionWriter value(long value) {
        if (value >= EXACT_LIMIT || value <= -EXACT_LIMIT) {
            return value((double) value);
        }
        return keeps(value < 0) ? character(' ').decimal(value, 0).endSeries() : this;
    }

    /** Ends a series with thousandths of a unit, such as milliwatts shown as watts. */
    ExpositionWriter thousandths(long value) {
        if (value >= EXACT_LIMIT || value <= -EXACT_LIMIT) {
            return value(value / 1000.0);
        }
        return keeps(value < 0) ? character(' ').decimal(value, 3).endSeries() : this;
    }

    /** Ends a series with a number. */
    ExpositionWriter value(double value) {
        if (Double.isNaN(value)) {
            return leaveOut(Reason.NOT_A_NUMBER);
        }
        if (!keeps(value < 0)) {
            return this;
        }
        character(' ');
        if (Double.isInfinite(value)) {
            text(value > 0 ? "+Inf" : "-Inf");
        } else if (value == 0) {
            character('0');
        } else {
            shortest(value);
        }
        return endSeries();
    }

    /** A whole number inside a label. */
    ExpositionWriter number(int value) {
        if (value < 0) {
            return text(Integer.toString(value));
        }
        int count = digitCount(Math.max(value, 1));
        reserve(count);
        int rest = value;
        for (int i = length + count - 1; i >= length; i--) {
            bytes[i] = (byte) ('0' + rest % 10);
            rest /= 10;
        }
        length += count;
        return this;
    }

    ExpositionWriter character(char ascii) {
        reserve(1);
        bytes[length++] = (byte) ascii;
        return this;
    }

    /** Escapes a label's value: backslash, quotation mark and line feed, as the formats want it; NUL, which ends a page for some readers, is replaced. */
    static String escapeLabelValue(String value) {
        return escape(value, true);
    }

    /** Escapes a help text: backslash and line feed. */
    static String escapeHelp(String help) {
        return escape(help, false);
    }

    private static String escape(String text, boolean quotes) {
        StringBuilder escaped = null;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            String replacement = switch (c) {
                case '\\' -> "\\\\";
                case '\n' -> "\\n";
                case '"' -> quotes ? "\\\"" : "\"";
                case '\0' -> "\uFFFD";
                default -> "";
            };
            if (!replacement.isEmpty() && escaped == null) {
                escaped = new StringBuilder(text.length() + 16).append(text, 0, i);
            }
            if (escaped != null) {
                escaped.append(replacement.isEmpty() ? String.valueOf(c) : replacement);
            }
        }
        return escaped == null ? text : escaped.toString();
    }

    private ExpositionWriter endSeries() {
        character('\n');
        seriesStart = length;
        return this;
    }

    /** Whether the series whose name and labels were written is fit for the page; if not, it is gone. */
    private boolean keeps(boolean negative) {
        if (!index.open()) {
            throw new IllegalStateException("a series needs a family to belong to");
        }
        if (negative && index.counter()) {
            leaveOut(Reason.NEGATIVE_COUNTER);
            return false;
        }
        if (!index.add(bytes, seriesStart, length)) {
            leaveOut(Reason.DUPLICATE);
            return false;
        }
        return true;
    }

    private ExpositionWriter leaveOut(Reason reason) {
        leftOut[reason.ordinal()]++;
        if (firstLeftOut.isEmpty()) {
            firstLeftOut =
                    reason.text + " " + new String(bytes, seriesStart, length - seriesStart, StandardCharsets.UTF_8);
        }
        length = seriesStart;
        return this;
    }

    private ExpositionWriter pair(String name, String value) {
        return text(name).text("=\"").text(escapeLabelValue(value)).character('"');
    }

    /** The number {@code unscaled / 10^scale}, whose double has no shorter decimal than its own as long as it has at most 15 digits. */
    private ExpositionWriter decimal(long unscaled, int scale) {
        if (unscaled == 0) {
            return character('0');
        }
        long rest = Math.abs(unscaled);
        int pointShift = scale;
        while (rest % 10 == 0) {
            rest /= 10;
            pointShift--;
        }
        int count = digitCount(rest);
        for (int i = count - 1; i >= 0; i--) {
            digits[i] = (byte) ('0' + rest % 10);
            rest /= 10;
        }
        return layOut(unscaled < 0, count, count - pointShift);
    }

    /** Takes digits and exponent out of Java's text, which is shortest too, and lays them out as Go does. */
    private void shortest(double value) {
        doubleText.setLength(0);
        doubleText.append(value);
        int count = 0;
        int point = 0;
        boolean seenPoint = false;
        int exponent = 0;
        int end = doubleText.length();
        for (int i = value < 0 ? 1 : 0; i < end; i++) {
            char c = doubleText.charAt(i);
            if (c == '.') {
                seenPoint = true;
            } else if (c == 'E') {
                exponent = Integer.parseInt(doubleText, i + 1, end, 10);
                break;
            } else if (count == 0 && c == '0') {
                // A leading zero is no digit; behind the point it moves the point.
                point -= seenPoint ? 1 : 0;
            } else {
                digits[count++] = (byte) c;
                point += seenPoint ? 0 : 1;
            }
        }
        while (digits[count - 1] == '0') {
            count--;
        }
        layOut(value < 0, count, point + exponent);
    }

    /** Lays out {@code 0.d1d2d3… × 10^point} like Go's format {@code 'g'} with the shortest precision. */
    private ExpositionWriter layOut(boolean negative, int count, int point) {
        reserve(40);
        if (negative) {
            bytes[length++] = '-';
        }
        int exponent = point - 1;
        if (exponent < -4 || exponent >= EXPONENT_FROM) {
            return withExponent(count, exponent);
        }
        if (point <= 0) {
            bytes[length++] = '0';
            bytes[length++] = '.';
            for (int i = point; i < 0; i++) {
                bytes[length++] = '0';
            }
        }
        for (int i = 0; i < count || i < point; i++) {
            if (i > 0 && i == point) {
                bytes[length++] = '.';
            }
            bytes[length++] = i < count ? digits[i] : (byte) '0';
        }
        return this;
    }

    private ExpositionWriter withExponent(int count, int exponent) {
        bytes[length++] = digits[0];
        if (count > 1) {
            bytes[length++] = '.';
            System.arraycopy(digits, 1, bytes, length, count - 1);
            length += count - 1;
        }
        bytes[length++] = 'e';
        bytes[length++] = (byte) (exponent < 0 ? '-' : '+');
        int size = Math.abs(exponent);
        if (size >= 100) {
            bytes[length++] = (byte) ('0' + size / 100);
        }
        bytes[length++] = (byte) ('0' + size / 10 % 10);
        bytes[length++] = (byte) ('0' + size % 10);
        return this;
    }

    private void reserve(int count) {
        if (bytes.length - length < count) {
            if (length + count > LIMIT_BYTES) {
                throw new IllegalStateException("the page of metrics would be larger than " + LIMIT_BYTES
                        + " bytes; choose fewer fields (metrics.fields)");
            }
            bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, length + count));
        }
    }

    private static int digitCount(long positive) {
        int count = 1;
        while (count < POWERS_OF_TEN.length && positive >= POWERS_OF_TEN[count]) {
            count++;
        }
        return count;
    }

    private static long[] powersOfTen() {
        long[] powers = new long[19];
        long power = 1;
        for (int i = 0; i < powers.length; i++) {
            powers[i] = power;
            power *= 10;
        }
        return powers;
    }
}
