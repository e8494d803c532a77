package io.gpunode.agent.config;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.util.Optional;

/**
 * Durations as Kubernetes components write them: {@code 5s}, {@code 1m30s}, {@code 1.5h}, {@code 250ms}. Units are {@code ns}, {@code us},
 * {@code µs}, {@code ms}, {@code s}, {@code m} and {@code h}; the grammar is that of Go's {@code time.ParseDuration}.
 */
public final class GoDuration {
    private static final String[] UNITS = {"ns", "us", "µs", "μs", "ms", "s", "m", "h"};
    private static final long[] UNIT_NANOS = {
        1, 1_000, 1_000, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000L, 3_600_000_000_000L
    };
    private static final int LONGEST = 64;
    private static final BigDecimal MOST_NANOS = new BigDecimal(BigInteger.valueOf(Long.MAX_VALUE));

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
        BigDecimal total = BigDecimal.ZERO;
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
            total = total.add(new BigDecimal(rest.substring(at, numberEnd)).multiply(BigDecimal.valueOf(unit)));
            at = unitEnd;
        }
        if (total.compareTo(MOST_NANOS) > 0) {
            return Optional.empty();
        }
        Duration duration = Duration.ofNanos(total.longValue());
        return Optional.of(negative ? duration.negated() : duration);
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
