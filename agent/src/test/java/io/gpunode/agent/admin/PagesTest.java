package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.admin.ReadinessCheck.Condition;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.Snapshots;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class PagesTest {
    @Test
    void showsTheWholeStateAsJson() {
        // Given
        Snapshots node = Snapshots.pcie(2).unhealthy(1);
        node.mig(0, mig(Snapshots.migDevice(0, 7, 0, "1g.10gb")));
        AdminStates states = new AdminStates(node.build())
                .holder(Snapshots.uuid(1), "ml", "job", "train")
                .holder(Snapshots.migDevice(0, 7, 0, "").id().uuid(), "lab", "nb", "nb")
                .condition("NVML", Condition.met("open"))
                .condition("Registered", Condition.unmet("the kubelet is not listening", "systemctl status kubelet"));
        states.heartbeats.register("inventory", Duration.ofSeconds(10));
        states.sections.add(section(
                "devicePlugin", json -> json.beginObject().member("streams", 1).endObject()));
        states.sections.add(section("broken", json -> {
            json.beginObject().name("half");
            throw new IllegalStateException("a fault of the test");
        }));
        StatePage page = new StatePage(states.build());
        states.now = states.now.plus(Duration.ofSeconds(61));

        // When
        String state = AdminStates.body(page);

        // Then
        Golden.check("admin/state.json", state);
    }

    @Test
    void showsInTheStateWhatTheAgentWaitsFor() {
        // Given
        StatePage page = new StatePage(new AdminStates(Snapshots.t4().waiting().build()).build());

        // When
        String state = AdminStates.body(page);

        // Then
        Golden.check("admin/state-waiting.json", state);
    }

    @Test
    void showsTheNodeToPeople() {
        // Given
        Snapshots node = Snapshots.h100x8().unhealthy(3);
        AdminStates states = new AdminStates(node.build())
                .holder(Snapshots.uuid(0), "ml", "job", "train")
                .condition("NVML", Condition.met("open"))
                .condition("Registered", Condition.unmet("the kubelet is not listening", "systemctl status kubelet"));

        // When
        String html = AdminStates.body(new StatusPage(states.build()));

        // Then
        Golden.check("admin/status.html", html);
    }

    @Test
    void escapesEverythingThatItShows() {
        // Given
        String hostile = "<script>alert(\"1\")</script>&'\u0007";
        AdminStates states = new AdminStates(Snapshots.t4()
                        .nvml(new NvmlState.Waiting(hostile, hostile, hostile, Snapshots.AT))
                        .build())
                .condition(hostile, Condition.unmet(hostile, hostile));

        // When
        String html = AdminStates.body(new StatusPage(states.build()));

        // Then
        assertThat(html)
                .doesNotContain("<script>alert")
                .contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\uFFFD");
    }

    @Test
    void namesItsStyleAndScriptInThePolicyAndNothingElse() throws Exception {
        // Given
        StatusPage page =
                new StatusPage(new AdminStates(Snapshots.h100x8().unhealthy(3).build()).build());
        Map<String, String> headers = new HashMap<>();
        StringBuilder html = new StringBuilder();

        // When
        page.write(new Page.Body() {
            @Override
            public void write(byte[] bytes, int from, int count) {
                html.append(new String(bytes, from, count, StandardCharsets.UTF_8));
            }

            @Override
            public void header(String name, String value) {
                headers.put(name, value);
            }
        });

        // Then
        assertThat(headers)
                .containsEntry(
                        "content-security-policy",
                        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src"
                                + " 'self'; img-src data:; style-src " + hashOf(html, "style") + "; script-src "
                                + hashOf(html, "script"));
        assertThat(html.toString())
                .doesNotContainPattern(" style=| on[a-z]+=|src=|href=\"http|@import|url\\(")
                .containsOnlyOnce("<script>")
                .containsOnlyOnce("<style>");
    }

    private static String hashOf(StringBuilder html, String element) throws Exception {
        int begin = html.indexOf("<" + element + ">") + element.length() + 2;
        String content = html.substring(begin, html.indexOf("</" + element + ">"));
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(content.getBytes(StandardCharsets.UTF_8));
        return "'sha256-" + Base64.getEncoder().encodeToString(digest) + "'";
    }

    @Test
    void tellsWhatIsNotOfferedFromWhatFailedAndWhatWasNotRead() {
        // Given
        Snapshots node = Snapshots.pcie(3);
        byte[] statuses = new byte[Quantity.count()];
        for (int gpu = 0; gpu < 3; gpu++) {
            Arrays.fill(statuses, new byte[] {GpuSample.NOT_READ, GpuSample.FAILED, GpuSample.UNSUPPORTED}[gpu]);
            node.sample(gpu, GpuSample.copyOf(new long[Quantity.count()], statuses, Snapshots.AT.toEpochMilli()));
        }

        // When
        String html = AdminStates.body(new StatusPage(new AdminStates(node.build()).build()));

        // Then: utilisation, memory, temperature and power of each
        assertThat(html.split("not read<", -1)).hasSize(5);
        assertThat(html.split("failed<", -1)).hasSize(5);
        assertThat(html.split("not offered<", -1)).hasSize(5);
    }

    @Test
    void showsThePartsThatNeedSomebodyFirst() {
        // Given
        AdminStates states = new AdminStates(Snapshots.t4().build());
        states.heartbeats.register("inventory", Duration.ofSeconds(10));
        states.sections.add(section("broken", _ -> {}, () -> {
            throw new IllegalStateException("a fault of the test");
        }));
        states.sections.add(section(
                "labels",
                _ -> {},
                () -> List.of(new StatusLine("Feature labels", StatusLine.Tone.BAD, "failed", "the disk is full"))));
        states.now = states.now.plus(Duration.ofSeconds(11));

        // When
        String html = AdminStates.body(new StatusPage(states.build()));

        // Then
        assertThat(html.substring(html.indexOf("class=\"attention\""), html.indexOf("</section>")))
                .contains("<strong>broken: not known</strong><p>asking failed:", "a fault of the test")
                .contains("<strong>Feature labels: failed</strong><p>the disk is full</p>")
                .contains("<strong>Loops: late</strong><p>Late: inventory.");
    }

    @Test
    void isAliveWhileAllLoopsTurn() {
        // Given
        AdminStates states = new AdminStates(Snapshots.t4().build());
        states.heartbeats.register("inventory", Duration.ofSeconds(10));
        HealthPage page = new HealthPage(states.heartbeats);

        // When
        int status = AdminStates.status(page);

        // Then
        assertThat(status).isEqualTo(200);
        assertThat(AdminStates.body(page)).isEqualTo("ok\ninventory: ok, turned 0 ms ago, bound 10000 ms\n");
    }

    @Test
    void namesTheLoopThatIsLate() {
        // Given
        AdminStates states = new AdminStates(Snapshots.t4().build());
        states.heartbeats.register("inventory", Duration.ofSeconds(10));
        states.heartbeats.register("pods", Duration.ofSeconds(60));
        states.now = states.now.plus(Duration.ofSeconds(11));
        HealthPage page = new HealthPage(states.heartbeats);

        // When
        int status = AdminStates.status(page);

        // Then
        assertThat(status).isEqualTo(503);
        assertThat(AdminStates.body(page)).isEqualTo("""
                        not ok
                        inventory: LATE, last turned 11000 ms ago, bound 10000 ms
                        pods: ok, turned 11000 ms ago, bound 60000 ms
                        """);
    }

    @Test
    void isReadyWhenAllConditionsAreMet() {
        // Given
        AdminStates states = new AdminStates(Snapshots.t4().build()).condition("NVML", Condition.met("open"));

        // When
        int status = AdminStates.status(new ReadyPage(states.readiness));

        // Then
        assertThat(status).isEqualTo(200);
    }

    @Test
    void saysOfEachUnmetConditionWhyAndWhatToDo() {
        // Given
        AdminStates states = new AdminStates(Snapshots.t4().build())
                .condition("NVML", Condition.met("open"))
                .condition("Registered", Condition.unmet("the kubelet is not listening", "systemctl status kubelet"));
        states.readiness.add(new ReadinessCheck() {
            @Override
            public String name() {
                return "CDI";
            }

            @Override
            public Condition check() {
                throw new IllegalStateException("a fault of the test");
            }
        });
        ReadyPage page = new ReadyPage(states.readiness);

        // When
        int status = AdminStates.status(page);

        // Then
        assertThat(status).isEqualTo(503);
        assertThat(AdminStates.body(page)).isEqualTo("""
                not ready
                NVML: yes, open
                Registered: NO, the kubelet is not listening
                  next step: systemctl status kubelet
                CDI: NO, asking failed: java.lang.IllegalStateException: a fault of the test
                """);
    }

    private static MigDevice mig(MigDevice device) {
        GpuSample sample = Snapshots.sampleOf(
                Map.of(Quantity.MEMORY_USED_BYTES, 1_048_576_000L, Quantity.GRAPHICS_ENGINE_ACTIVE, Double.NaN));
        return Snapshots.withSample(device, sample);
    }

    private static StateSection section(String name, Consumer<JsonWriter> writer) {
        return section(name, writer, List::of);
    }

    private static StateSection section(String name, Consumer<JsonWriter> writer, Supplier<List<StatusLine>> lines) {
        return new StateSection() {
            @Override
            public List<StatusLine> lines() {
                return lines.get();
            }

            @Override
            public String name() {
                return name;
            }

            @Override
            public void write(JsonWriter json) {
                writer.accept(json);
            }
        };
    }
}
