package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Flow;

/** Any body of a watch is cut into its lines, however it arrives, or given up at a line that is too long; it ends once. */
class WatchStreamFuzzTest {
    private static final int LIMIT = 1_024;

    @FuzzTest
    void anyBodyIsCutIntoLinesOrGivenUp(byte[] bytes) {
        // Given
        List<String> lines = new ArrayList<>();
        List<String> ends = new ArrayList<>();
        WatchStream stream = new WatchStream(
                new WatchStream.Reader() {
                    @Override
                    public boolean line(String line) {
                        lines.add(line);
                        return !line.contains("stop");
                    }

                    @Override
                    public void tooLong() {}

                    @Override
                    public void ended(String why) {
                        ends.add(why);
                    }
                },
                LIMIT);
        stream.onSubscribe(new NoSubscription());
        int step = bytes.length == 0 ? 1 : 1 + (bytes[0] & 0xff);

        // When
        for (int from = 0; from < bytes.length; from += step) {
            stream.onNext(List.of(ByteBuffer.wrap(bytes, from, Math.min(step, bytes.length - from))));
        }
        stream.onComplete();

        // Then
        assertThat(ends).hasSize(1);
        assertThat(lines).isEqualTo(expected(bytes));
    }

    private static List<String> expected(byte[] bytes) {
        List<String> lines = new ArrayList<>();
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (byte next : bytes) {
            if (next != '\n') {
                if (line.size() == LIMIT) {
                    return lines;
                }
                line.write(next);
                continue;
            }
            String text = line.toString(StandardCharsets.UTF_8);
            line.reset();
            if (!text.isBlank()) {
                lines.add(text);
            }
            if (text.contains("stop")) {
                return lines;
            }
        }
        return lines;
    }

    private static final class NoSubscription implements Flow.Subscription {
        @Override
        public void request(long items) {}

        @Override
        public void cancel() {}
    }
}
