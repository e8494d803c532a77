package io.gpunode.agent.testing;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.process.Eventually;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A real Prometheus as a process of its own, which scrapes what it is told once a second. Closing it ends it. */
public final class RealPrometheus implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Pattern LISTENING = Pattern.compile("msg=\"Listening on\" address=(\\S+)");

    private final Process process;
    private final HttpClient client = HttpClient.newHttpClient();
    private final List<String> said = Collections.synchronizedList(new ArrayList<>());
    private final CompletableFuture<String> address = new CompletableFuture<>();

    private RealPrometheus(Process process) {
        this.process = process;
        Thread.ofPlatform().daemon().name("prometheus-output").start(this::read);
    }

    /**
     * Starts one that scrapes an address without TLS and users, as job {@code gpu-node-agent}; without the program the test is skipped.
     *
     * @param folder an empty one for its files
     * @param target {@code host:port}
     */
    public static RealPrometheus scraping(Path folder, String target) throws Exception {
        return start(folder, """
                scrape_configs:
                  - job_name: gpu-node-agent
                    static_configs: [{targets: ['%s']}]
                """.formatted(target));
    }

    /**
     * Starts one.
     *
     * @param folder an empty one for its files
     * @param configuration what its configuration says beside {@code global}; relative paths in it are below the folder
     */
    public static RealPrometheus start(Path folder, String configuration) throws Exception {
        Path program = Programs.find("prometheus", "prometheus");
        Path file = Files.writeString(
                folder.resolve("prometheus.yml"),
                "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" + configuration);
        RealPrometheus prometheus = new RealPrometheus(new ProcessBuilder(
                        program.toString(),
                        "--config.file=" + file,
                        "--storage.tsdb.path=" + folder.resolve("data"),
                        "--web.listen-address=127.0.0.1:0")
                .redirectErrorStream(true)
                .start());
        try {
            prometheus.address.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            Eventually.within(PATIENCE, () -> prometheus.get("/-/ready").statusCode() == 200 ? "" : "not ready");
        } catch (Exception e) {
            prometheus.close();
            throw new IOException("Prometheus did not start: " + String.join("\n", prometheus.said), e);
        }
        return prometheus;
    }

    /** {@code host:port} of its own pages. */
    public String address() {
        return address.join();
    }

    /** Waits until it has scraped every target with success; fails with what it says against them. */
    public void awaitScraped() throws Exception {
        Eventually.within(PATIENCE, () -> {
            List<String> missing = new ArrayList<>();
            List<JsonValue> targets =
                    api("/api/v1/targets").member("activeTargets").elements();
            for (JsonValue target : targets) {
                if (!target.member("health").textOr("").equals("up")) {
                    missing.add(target.member("scrapeUrl").textOr("") + ": "
                            + target.member("health").textOr("") + " "
                            + target.member("lastError").textOr(""));
                }
            }
            return targets.isEmpty() ? "no target" : String.join("; ", missing);
        });
    }

    /**
     * Asks for an instant vector; what stands for each series is its labels, for example {@code {gpu=0}}.
     *
     * @return the value of each
     */
    public Map<Map<String, String>, String> query(String expression) throws Exception {
        JsonValue data = api("/api/v1/query?query=" + URLEncoder.encode(expression, StandardCharsets.UTF_8));
        Map<Map<String, String>, String> values = new LinkedHashMap<>();
        for (JsonValue series : data.member("result").elements()) {
            Map<String, String> labels = new TreeMap<>();
            series.member("metric").members().forEach((name, value) -> labels.put(name, value.textOr("")));
            values.put(labels, series.member("value").elements().get(1).textOr(""));
        }
        return values;
    }

    /** The {@code data} of an answer of its API; fails with its words when it refuses. */
    public JsonValue api(String path) throws IOException, InterruptedException, JsonException {
        HttpResponse<String> answer = get(path);
        JsonValue body = JsonValue.parse(answer.body());
        if (!body.member("status").textOr("").equals("success")) {
            throw new AssertionError(path + ": " + body.member("error").textOr(answer.body()));
        }
        return body.member("data");
    }

    private HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return client.send(
                HttpRequest.newBuilder(URI.create("http://" + address() + path))
                        .timeout(PATIENCE)
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Override
    public void close() {
        client.shutdownNow();
        process.destroy();
        process.onExit()
                .completeOnTimeout(process, 5, TimeUnit.SECONDS)
                .thenCompose(ended -> ended.destroyForcibly().onExit())
                .orTimeout(5, TimeUnit.SECONDS)
                .join();
    }

    private void read() {
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                said.add(line);
                Matcher listening = LISTENING.matcher(line);
                if (listening.find()) {
                    address.complete(listening.group(1));
                }
            }
        } catch (IOException e) {
            said.add("(output ended: " + e.getMessage() + ")");
        }
        address.completeExceptionally(new IOException("it ended"));
    }
}
