package io.gpunode.agent.metrics;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Writes the Prometheus text format, version 0.0.4, into a byte array that it owns and reuses: after the first scrape nothing is allocated.
 * Numbers have the form that Go's {@code expfmt} gives them (shortest digits that read back as the same double; an exponent from a million
 * upwards), so that text compared with the exporter's is equal byte for byte. Owned by one {@link MetricsExposition}; not thread-safe.
 */
final class ExpositionWriter {
    private static final int INITIAL_BYTES = 64 * 1024;

    /** Whole numbers up to here are doubles exactly; beyond, the reader's double is what must be written. */
    private static final long EXACT_LIMIT = 1L << 53;

    /** Go's {@code %g} with the shortest precision writes an exponent from here on. */
    private static final int EXPONENT_FROM = 6;

    private static final long[] POWERS_OF_TEN = powersOfTen();

    private final StringBuilder doubleText = new StringBuilder(32);
    private final byte[] digits = new byte[20];
    private byte[] bytes;
    private int length;

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

    /** Drops what was written after a place. */
    void truncate(int toLength) {
        length = toLength;
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

    /** The two lines that begin a family. */
    ExpositionWriter family(OwnMetric metric) {
        return raw(metric.header());
    }

    /** Begins a series without labels. */
    ExpositionWriter series(OwnMetric metric) {
        return raw(metric.nameBytes());
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
        return character(' ').decimal(value, 0).character('\n');
    }

    /** Ends a series with thousandths of a unit, such as milliwatts shown as watts. */
    ExpositionWriter thousandths(long value) {
        if (value >= EXACT_LIMIT || value <= -EXACT_LIMIT) {
            return value(value / 1000.0);
        }
        return character(' ').decimal(value, 3).character('\n');
    }

    /** Ends a series with a number. */
    ExpositionWriter value(double value) {
        character(' ');
        if (Double.isNaN(value)) {
            text("NaN");
        } else if (Double.isInfinite(value)) {
            text(value > 0 ? "+Inf" : "-Inf");
        } else if (value == 0) {
            text(1 / value < 0 ? "-0" : "0");
        } else {
            shortest(value);
        }
        return character('\n');
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

    /** Escapes a label's value: backslash, quotation mark and line feed, as the format wants it. */
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
