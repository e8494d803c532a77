package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ConfigMapSource.Answer;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class FieldConfigMapTest {
    private static final String MAP = "monitoring:fields";
    private static final String PATH = "/api/v1/namespaces/monitoring/configmaps/fields";

    @TempDir
    Path root;

    private final AtomicReference<FakeApiServer.Fault> answer = new AtomicReference<>(map("A, gauge, One."));
    private final AtomicInteger reads = new AtomicInteger();
    private final AtomicInteger changes = new AtomicInteger();
    private FakeApiServer server;
    private Harness agent;
    private FieldConfigMap fields;

    private static FakeApiServer.Fault map(String text) {
        return FakeApiServer.Fault.answer(
                200, "{\"kind\":\"ConfigMap\",\"data\":{\"metrics\":\"" + text + "\",\"other\":\"B\"}}");
    }

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.knows(new FakeApiServer.More() {
            @Override
            public String kind(String method, String path) {
                return method.equals("GET") && path.equals(PATH) ? "get fields" : "";
            }

            @Override
            public FakeApiServer.Fault answer(String kind, String path, String body) {
                reads.incrementAndGet();
                return answer.get();
            }
        });
        agent = Harness.withFields(MAP, server, root);
        fields = agent.connection.fieldConfigMap().orElseThrow();
        fields.onChange(changes::incrementAndGet);
        agent.watching();
        agent.turnUntil(() -> reads.get() == 1);
    }

    @AfterEach
    void end() {
        agent.close();
        server.close();
    }

    private void readAgain(FakeApiServer.Fault next) throws InterruptedException {
        answer.set(next);
        int before = reads.get();
        agent.time.advance(FieldConfigMap.WHILE_REFUSED);
        agent.turnUntil(() -> reads.get() == before + 1);
    }

    @Test
    void theTextUnderTheKeyIsTold() {
        // When
        Answer text = fields.text(MAP);

        // Then
        assertThat(text).isEqualTo(new Answer.Text("A, gauge, One."));
        assertThat(changes).hasValue(1);
    }

    @Test
    void anotherTextIsTold() throws Exception {
        // When
        readAgain(map("B, gauge, Two."));

        // Then
        assertThat(fields.text(MAP)).isEqualTo(new Answer.Text("B, gauge, Two."));
        assertThat(changes).hasValue(2);
    }

    @Test
    void theSameTextIsNoNews() throws Exception {
        // When
        readAgain(map("A, gauge, One."));

        // Then
        assertThat(changes).hasValue(1);
    }

    @Test
    void whatWasReadLastStaysWhenTheServerRefuses() throws Exception {
        // When
        readAgain(FakeApiServer.Fault.status(403, "no"));

        // Then
        assertThat(fields.text(MAP)).isEqualTo(new Answer.Text("A, gauge, One."));
    }

    @Test
    void whatWasReadLastStaysWhenTheKeyIsGone() throws Exception {
        // When
        readAgain(map(""));

        // Then
        assertThat(fields.text(MAP)).isEqualTo(new Answer.Text("A, gauge, One."));
        assertThat(changes).hasValue(1);
    }

    @Test
    void anotherConfigMapWaitsForAStart() {
        // When
        Answer text = fields.text("monitoring:others");

        // Then
        assertThat(text).isEqualTo(new Answer.Unknown("it is read from the next start on"));
    }
}
