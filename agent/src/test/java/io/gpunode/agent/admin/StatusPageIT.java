package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.admin.ReadinessCheck.Condition;
import io.gpunode.agent.admin.StatusLine.Tone;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Chromium;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The status page in a real browser. Leaves a picture of each node in {@code target/status-page}. */
@Timeout(60)
class StatusPageIT {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int PHONE = 390;
    private static final int DESK = 1_280;
    private static final Path PICTURES = Path.of("target", "status-page");

    /** The lowest contrast of any visible text with what is behind it, as WCAG 2 computes it, and that text. */
    private static final String LOWEST_CONTRAST = """
            (() => {
              const channels = (text) => text.match(/[\\d.]+/g).map(Number);
              const light = (rgb) => {
                const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const ground = (element) => {
                for (let at = element; at; at = at.parentElement) {
                  const c = channels(getComputedStyle(at).backgroundColor);
                  if (c.length === 3 || c[3] === 1) { return c.slice(0, 3); }
                }
                return [255, 255, 255];
              };
              let lowest = 21;
              let where = "";
              const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              while (texts.nextNode()) {
                const element = texts.currentNode.parentElement;
                if (texts.currentNode.data.trim() && element.checkVisibility()) {
                  const a = light(channels(getComputedStyle(element).color).slice(0, 3));
                  const b = light(ground(element));
                  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                  if (ratio < lowest) { lowest = ratio; where = texts.currentNode.data; }
                }
              }
              return lowest.toFixed(2) + " " + where;
            })()""";

    private static Chromium browser;

    private @Nullable AdminServer server;

    /** What the page is looked at with. */
    enum Node {
        WELL,
        SICK,
        WITHOUT_DRIVER,
        PARTITIONED
    }

    @BeforeAll
    static void startBrowser(@TempDir Path profile) throws Exception {
        browser = Chromium.start(profile);
    }

    @AfterAll
    static void endBrowser() throws Exception {
        if (browser != null) {
            browser.close();
        }
    }

    @AfterEach
    void stop() {
        if (server != null) {
            server.stop(LIMIT);
        }
    }

    @ParameterizedTest
    @EnumSource(Node.class)
    void fitsAPhoneAndIsReadableInLightAndDark(Node node) throws Exception {
        // Given
        String url = serve(states(node));
        String name = node.name().toLowerCase(Locale.ROOT).replace('_', '-');
        int complaintsBefore = browser.complaints().size();

        // When
        browser.dark(false);
        browser.open(url, DESK, 900);
        browser.screenshot(PICTURES.resolve(name + "-light.png"));
        String lightGround = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        String lightContrast = browser.evaluate(LOWEST_CONTRAST);
        browser.dark(true);
        browser.screenshot(PICTURES.resolve(name + "-dark.png"));
        String darkGround = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        String darkContrast = browser.evaluate(LOWEST_CONTRAST);
        browser.size(PHONE, 844);
        browser.screenshot(PICTURES.resolve(name + "-phone.png"));
        String phoneWidth = browser.evaluate("document.documentElement.scrollWidth");

        // Then
        assertThat(Integer.parseInt(phoneWidth)).isLessThanOrEqualTo(PHONE);
        assertThat(darkGround).isNotEqualTo(lightGround);
        assertThat(ratio(lightContrast)).as(lightContrast).isGreaterThanOrEqualTo(4.5);
        assertThat(ratio(darkContrast)).as(darkContrast).isGreaterThanOrEqualTo(4.5);
        assertThat(browser.complaints()
                        .subList(complaintsBefore, browser.complaints().size()))
                .isEmpty();
    }

    @Test
    void renewsItselfWhenAGpuFallsSick() throws Exception {
        // Given
        Snapshots node = Snapshots.h100x8();
        AdminStates states = services(new AdminStates(node.build()));
        browser.open(serve(states), DESK, 900);
        browser.evaluate(
                "document.querySelector('.node details').open = true; getSelection().selectAllChildren(document.querySelector('h1'))");

        // When
        states.snapshots.publish(node.unhealthy(3).build());

        // Then
        browser.awaitText("GPU 3 is withheld: XID 79: GPU has fallen off the bus");
        assertThat(browser.evaluate("document.title")).isEqualTo("node-a: ready, 1 of 8 GPUs withheld");
        assertThat(browser.evaluate("document.querySelector('.node details').open"))
                .isEqualTo("true");
        assertThat(browser.evaluate("getSelection().toString()")).contains("node-a");
    }

    @Test
    void asksNothingWhileItsTabIsHidden() throws Exception {
        // Given
        browser.open(serve(states(Node.WELL)), DESK, 900);
        browser.evaluate("""
                window.asked = 0;
                const fetched = window.fetch;
                window.fetch = (...all) => { window.asked++; return fetched(...all); };
                Object.defineProperty(document, "hidden", { configurable: true, get: () => window.away });
                const turn = (away) => { window.away = away; document.dispatchEvent(new Event("visibilitychange")); };
                turn(true);""");

        // When
        String whileHidden =
                browser.evaluate("new Promise((done) => setTimeout(() => done(String(window.asked)), 6000))");
        browser.evaluate("turn(false)");

        // Then
        assertThat(whileHidden).isEqualTo("0");
        assertThat(browser.evaluate("window.asked")).isEqualTo("1");
    }

    @Test
    void saysThatItIsNotCurrentWhenTheAgentIsGone() throws Exception {
        // Given
        browser.open(serve(states(Node.WELL)), DESK, 900);

        // When
        Objects.requireNonNull(server).stop(LIMIT);
        server = null;

        // Then
        browser.awaitText("Not current since");
        assertThat(browser.evaluate("document.querySelectorAll('.gpus tbody').length"))
                .isEqualTo("8");
    }

    @Test
    void isWholeWithoutScripts() throws Exception {
        // Given
        String url = serve(states(Node.SICK));

        // When
        browser.scripts(false);
        browser.open(url, DESK, 900);
        browser.scripts(true);

        // Then
        assertThat(browser.evaluate("document.body.innerText")).contains("GPU 3 is withheld", "Way back");
        assertThat(browser.evaluate("document.querySelector('meta[http-equiv=refresh]').content"))
                .isEqualTo("10");
    }

    @Test
    void runsNothingThatGotIntoThePage() throws Exception {
        // Given
        AdminStates states = states(Node.WELL);
        int complaintsBefore = browser.complaints().size();
        browser.open(serve(states), DESK, 900);

        // When
        browser.evaluate("""
                const smuggled = document.createElement("script");
                smuggled.textContent = "window.smuggled = 1";
                document.body.append(smuggled);""");

        // Then
        assertThat(browser.evaluate("String(window.smuggled)")).isEqualTo("undefined");
        assertThat(browser.complaints()
                        .subList(complaintsBefore, browser.complaints().size()))
                .singleElement()
                .asString()
                .contains("Content Security Policy");
    }

    private String serve(AdminStates states) throws IOException {
        // Before the server registers its loop: heartbeats are as old as this clock says.
        states.now = SystemTime.monotonic().now();
        AdminServer started = new AdminServer(
                new AgentConfig.Http(List.of("127.0.0.1:0"), false, "", "", LIMIT, LIMIT, 16),
                states.build(SystemTime.monotonic()),
                Page.of(AdminServer.PLAIN_TEXT, body -> body.write("")),
                Meters.NONE,
                SystemTime.wall());
        started.start();
        server = started;
        return "http://127.0.0.1:" + started.address().getPort() + "/";
    }

    private static double ratio(String text) {
        return Double.parseDouble(text.substring(0, text.indexOf(' ')));
    }

    private static AdminStates states(Node node) {
        return switch (node) {
            case WELL ->
                services(new AdminStates(busy(Snapshots.h100x8(), 8)))
                        .holder(Snapshots.uuid(0), "ml", "train-0", "main")
                        .holder(Snapshots.uuid(1), "ml", "train-0", "main");
            case SICK ->
                services(new AdminStates(busy(
                                Snapshots.h100x8()
                                        .unhealthy(3)
                                        .unhealthy(5)
                                        .lane(
                                                5,
                                                new LaneState.Unresponsive(
                                                        "nvmlDeviceGetTemperature", Snapshots.AT.minusSeconds(3_000))),
                                8)))
                        .holder(
                                Snapshots.uuid(3),
                                "ml",
                                "a-pod-whose-name-was-made-by-a-controller-of-controllers-7d4b9c-x2v",
                                "main");
            case WITHOUT_DRIVER ->
                services(new AdminStates(Snapshots.noGpus().waiting().build()))
                        .condition("NVML", Condition.unmet("the NVIDIA driver is not loaded", "modprobe nvidia"))
                        .condition("Kubelet", Condition.unmet("there is no resource to offer", ""));
            case PARTITIONED -> {
                Snapshots partitioned = Snapshots.pcie(16);
                for (int gpu = 0; gpu < 16; gpu++) {
                    MigDevice[] devices = new MigDevice[7];
                    for (int i = 0; i < 7; i++) {
                        devices[i] = Snapshots.withSample(
                                Snapshots.migDevice(gpu, i, "1g.10gb"),
                                Snapshots.sampleOf(Map.of(
                                        Quantity.MEMORY_USED_BYTES,
                                        i * 1_000_000_000L,
                                        Quantity.MEMORY_TOTAL_BYTES,
                                        10_000_000_000L,
                                        Quantity.GRAPHICS_ENGINE_ACTIVE,
                                        i / 7.0)));
                    }
                    partitioned.mig(gpu, devices);
                }
                AdminStates states = services(new AdminStates(busy(partitioned, 16)));
                for (int gpu = 0; gpu < 16; gpu += 2) {
                    states.holder(
                            Snapshots.migDevice(gpu, 2, "1g.10gb").id().uuid(), "lab", "notebook-" + gpu, "jupyter");
                }
                yield states;
            }
        };
    }

    private static NodeSnapshot busy(Snapshots node, int gpus) {
        for (int gpu = 0; gpu < gpus; gpu++) {
            Map<Quantity, Number> numbers = new HashMap<>();
            numbers.put(Quantity.GPU_UTILIZATION_PERCENT, gpu * 13L % 101);
            numbers.put(Quantity.MEMORY_USED_BYTES, gpu * 11_000_000_000L % 85_520_809_984L);
            numbers.put(Quantity.MEMORY_TOTAL_BYTES, 85_520_809_984L);
            numbers.put(Quantity.GPU_TEMPERATURE_CELSIUS, 40L + 3L * gpu);
            numbers.put(Quantity.POWER_MILLIWATTS, 120_000L + 70_000L * gpu);
            numbers.put(Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS, 700_000L);
            node.sample(gpu, gpu == 6 ? GpuSample.EMPTY : Snapshots.sampleOf(numbers));
        }
        return node.build();
    }

    private static AdminStates services(AdminStates states) {
        states.heartbeats.register("inventory", Duration.ofDays(10_000));
        states.sections.add(lines(
                new StatusLine(
                        "nvidia.com/gpu",
                        Tone.GOOD,
                        "registered",
                        "the kubelet watches the devices. 8 of 8 devices can be given; 12 allocations, 0 refused.",
                        "socket and registrations",
                        List.of(
                                "socket /var/lib/kubelet/device-plugins/gpu-node-agent-nvidia.com_gpu-000218b436cc-01.sock")),
                new StatusLine("API server", Tone.BAD, "failing", "https://10.0.0.1:6443 refuses the certificate"),
                new StatusLine("MIG layout", Tone.WARNING, "pending", "Layout all-1g.10gb, wanted by label."),
                new StatusLine("Feature labels", Tone.NEUTRAL, "off", "")));
        return states;
    }

    private static StateSection lines(StatusLine... lines) {
        return new StateSection() {
            @Override
            public String name() {
                return "services";
            }

            @Override
            public void write(JsonWriter json) {
                json.nullValue();
            }

            @Override
            public List<StatusLine> lines() {
                return List.of(lines);
            }
        };
    }
}
