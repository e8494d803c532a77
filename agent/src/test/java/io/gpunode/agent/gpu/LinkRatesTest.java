package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class LinkRatesTest {
    private static final long SECOND = 1_000_000_000L;
    private static final boolean NARROW = true;
    private static final boolean WIDE = false;

    @Test
    void isThousandsOfKibibytesPerSecondWithoutFraction() {
        assertThat(LinkRates.rate(5_000_000, 5 * SECOND)).isEqualTo(1000);
        assertThat(LinkRates.rate(999, SECOND)).isZero();
        assertThat(LinkRates.rate(0, SECOND)).isZero();
    }

    @Test
    void takesTwoReadings() {
        // Given
        LinkRates rates = new LinkRates(1);
        told(rates, SECOND, 10_000_000);
        long first = rates.megabytesPerSecond(0);

        // When
        told(rates, 3 * SECOND, 14_000_000);

        // Then
        assertThat(first).isEqualTo(LinkRates.UNKNOWN);
        assertThat(rates.megabytesPerSecond(0)).isEqualTo(2000);
    }

    @Test
    void aCounterThatWentBackHasNoRateOnce() {
        // Given
        LinkRates rates = new LinkRates(1);
        told(rates, SECOND, 14_000_000);

        // When
        told(rates, 2 * SECOND, 1_000_000);
        long after = rates.megabytesPerSecond(0);
        told(rates, 3 * SECOND, 2_000_000);

        // Then
        assertThat(after).isEqualTo(LinkRates.UNKNOWN);
        assertThat(rates.megabytesPerSecond(0)).isEqualTo(1000);
    }

    @Test
    void aCounterOf32BitsBeginsAgain() {
        assertThat(LinkRates.growth(4_294_967_000L, 704, NARROW)).isEqualTo(1000);
    }

    @Test
    void aCounterOf32BitsThatWentBackALittleWasReset() {
        assertThat(LinkRates.growth(1_000_000, 5, NARROW)).isEqualTo(LinkRates.UNKNOWN);
    }

    @Test
    void aCounterOf64BitsDoesNotBeginAgainAt32() {
        assertThat(LinkRates.growth(4_294_967_000L, 704, WIDE)).isEqualTo(LinkRates.UNKNOWN);
    }

    @Test
    void aCounterThatMissedASamplingBeginsAnew() {
        // Given
        LinkRates rates = new LinkRates(1);
        told(rates, SECOND, 1_000_000);
        rates.begin(2 * SECOND);

        // When
        told(rates, 3 * SECOND, 9_000_000);

        // Then: growth of two seconds is not that of one
        assertThat(rates.megabytesPerSecond(0)).isEqualTo(LinkRates.UNKNOWN);
    }

    @Test
    void bothWaysHaveNoRateWhileOneHasNone() {
        // Given
        LinkRates rates = new LinkRates(2);
        rates.begin(SECOND);
        rates.take(0, 5, WIDE);

        // When
        rates.begin(2 * SECOND);
        rates.take(0, 5_000_005, WIDE);
        rates.take(1, 7, WIDE);

        // Then
        assertThat(rates.megabytesPerSecond(0)).isEqualTo(5000);
        assertThat(rates.megabytesPerSecond(0, 1)).isEqualTo(LinkRates.UNKNOWN);
    }

    private static void told(LinkRates rates, long now, long value) {
        rates.begin(now);
        rates.take(0, value, WIDE);
    }
}
