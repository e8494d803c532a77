package io.gpunode.agent.config;

import java.time.Duration;
import java.util.Optional;

/**
 * Durations as Kubernetes components write them: {@code 5s}, {@code 1m30s}, {@code 1.5h}, {@code 250ms}. Units are {@code ns}, {@code us},
 * {@code µs}, {@code ms}, {@code s}, {@code m} and {@code h}; the grammar is that of Go's {@code time.ParseDuration}. Reckoned in {@code long}s:
 * making ready {@code BigDecimal} takes a start 12 ms.
 */
public final class GoDuration {
    private static final String[] UNITS = {"ns", "us", "µs", "μs", "ms", "s", "m", "h"};
    private static final long[] UNIT_NANOS = {
        1, 1_000, 1_000, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000L, 3_600_000_000_000L
    };
    private static final int LONGEST = 64;

    private GoDuration() {}

    /** Empty when the text is not a duration, or is one of more than 292 years. */
    public static Optional<Duration> parse(String text) {
        if (text.isEmpty() || text.length() > LONGEST) {
            return Optional.empty();
        }
        int at = 0;
        boolean negative = text.charAt(0) == '-';
        if (negative || text.charAt(0) == '+') {
            at++;
        }
        String rest = text.substring(at);
        if (rest.equals("0")) {
            return Optional.of(Duration.ZERO);
        }
        if (rest.isEmpty()) {
            return Optional.empty();
        }
        long total = 0;
        at = 0;
        while (at < rest.length()) {
            int numberEnd = at;
            int dots = 0;
            while (numberEnd < rest.length() && isNumberPart(rest.charAt(numberEnd))) {
                dots += rest.charAt(numberEnd) == '.' ? 1 : 0;
                numberEnd++;
            }
            if (numberEnd - at - dots < 1 || dots > 1) {
                return Optional.empty();
            }
            int unitEnd = numberEnd;
            while (unitEnd < rest.length() && !isNumberPart(rest.charAt(unitEnd))) {
                unitEnd++;
            }
            long unit = unitNanos(rest.substring(numberEnd, unitEnd));
            if (unit == 0) {
                return Optional.empty();
            }
            try {
                total = Math.addExact(total, nanos(rest.substring(at, numberEnd), unit));
            } catch (ArithmeticException e) {
                return Optional.empty();
            }
            at = unitEnd;
        }
        Duration duration = Duration.ofNanos(total);
        return Optional.of(negative ? duration.negated() : duration);
    }

    /**
     * So many units, what is less than a nanosecond cut off.
     *
     * @param number ASCII digits with at most one dot
     * @throws ArithmeticException when they are more than a {@code long} holds
     */
    private static long nanos(String number, long unit) {
        int dot = number.indexOf('.');
        int wholeEnd = dot < 0 ? number.length() : dot;
        long whole = 0;
        for (int i = 0; i < wholeEnd; i++) {
            whole = Math.addExact(Math.multiplyExact(whole, 10L), number.charAt(i) - '0');
        }
        // From the last digit to the first, so that cutting off at each step is cutting off once.
        long fraction = 0;
        for (int i = number.length() - 1; i > wholeEnd; i--) {
            fraction = (fraction + unit * (number.charAt(i) - '0')) / 10;
        }
        return Math.addExact(Math.multiplyExact(whole, unit), fraction);
    }

    /** The shortest text of whole units: {@code 1m30s}, {@code 250ms}, {@code 0s}. */
    static String text(Duration duration) {
        if (duration.isZero()) {
            return "0s";
        }
        StringBuilder out = new StringBuilder(duration.isNegative() ? "-" : "");
        long nanos = duration.abs().toNanos();
        for (int i = UNITS.length - 1; i >= 0; i--) {
            if (UNITS[i].charAt(0) > 'z') {
                continue;
            }
            long count = nanos / UNIT_NANOS[i];
            if (count > 0) {
                out.append(count).append(UNITS[i]);
                nanos -= count * UNIT_NANOS[i];
            }
        }
        return out.toString();
    }

    private static boolean isNumberPart(char c) {
        return c == '.' || (c >= '0' && c <= '9');
    }

    private static long unitNanos(String unit) {
        for (int i = 0; i < UNITS.length; i++) {
            if (UNITS[i].equals(unit)) {
                return UNIT_NANOS[i];
            }
        }
        return 0;
    }
}
