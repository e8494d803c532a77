package io.gpunode.agent.testing;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A real browser with one tab, driven through its DevTools protocol. Collects what the page's console complains about, violations of the
 * Content-Security-Policy among it. Closing it ends the browser.
 */
public final class Chromium implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final String ANNOUNCEMENT = "DevTools listening on ";

    private final Process process;
    private final HttpClient client = HttpClient.newHttpClient();
    private final WebSocket socket;
    private final AtomicInteger ids = new AtomicInteger();
    private final Map<Integer, CompletableFuture<JsonValue>> waiting = new ConcurrentHashMap<>();
    private final List<String> complaints = new CopyOnWriteArrayList<>();
    private final List<CompletableFuture<Boolean>> loads = new CopyOnWriteArrayList<>();
    private @Nullable String tab;

    private Chromium(Path program, Path profile) throws Exception {
        process = new ProcessBuilder(
                        program.toString(),
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-quic",
                        "--no-first-run",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--disable-sync",
                        "--hide-scrollbars",
                        "--remote-debugging-port=0",
                        "--user-data-dir=" + profile,
                        "about:blank")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            socket = client.newWebSocketBuilder()
                    .buildAsync(URI.create(announced()), new Messages())
                    .get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            String target = command("Target.createTarget", json -> json.member("url", "about:blank"))
                    .member("targetId")
                    .textOr("");
            tab = command(
                            "Target.attachToTarget",
                            json -> json.member("targetId", target).member("flatten", true))
                    .member("sessionId")
                    .textOr("");
            for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
                command(domain + ".enable", _ -> {});
            }
        } catch (Exception e) {
            process.destroyForcibly();
            throw e;
        }
    }

    /**
     * Starts one; without a browser the test is skipped.
     *
     * @param profile an empty folder for what it keeps
     */
    public static Chromium start(Path profile) throws Exception {
        return new Chromium(Programs.find("chromium", "chromium", "chromium-browser", "google-chrome"), profile);
    }

    private String announced() throws IOException {
        BufferedReader errors =
                new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8));
        List<String> said = new ArrayList<>();
        for (String line = errors.readLine(); line != null; line = errors.readLine()) {
            said.add(line);
            if (line.startsWith(ANNOUNCEMENT)) {
                Thread.ofPlatform().daemon().name("chromium-errors").start(() -> drain(errors));
                return line.substring(ANNOUNCEMENT.length());
            }
        }
        throw new IOException("the browser ended: " + String.join("\n", said));
    }

    private static void drain(BufferedReader errors) {
        try {
            while (errors.readLine() != null) {
                // Only so that the browser never waits for somebody to read.
            }
        } catch (IOException _) {
            // It ended.
        }
    }

    /** Shows a page in a window of this size and waits until it is loaded. */
    public void open(String url, int width, int height) throws Exception {
        size(width, height);
        CompletableFuture<Boolean> loaded = new CompletableFuture<>();
        loads.add(loaded);
        command("Page.navigate", json -> json.member("url", url));
        loaded.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        loads.clear();
    }

    /** Gives the window another size; a narrow one is a phone's. */
    public void size(int width, int height) throws Exception {
        command(
                "Emulation.setDeviceMetricsOverride",
                json -> json.member("width", width)
                        .member("height", height)
                        .member("deviceScaleFactor", 1)
                        .member("mobile", width < 500));
    }

    /** Wants dark or light pages from now on. */
    public void dark(boolean dark) throws Exception {
        command(
                "Emulation.setEmulatedMedia",
                json -> json.name("features")
                        .beginArray()
                        .beginObject()
                        .member("name", "prefers-color-scheme")
                        .member("value", dark ? "dark" : "light")
                        .endObject()
                        .endArray());
    }

    /** Lets pages run scripts of their own or not, from the next one on. */
    public void scripts(boolean run) throws Exception {
        command("Emulation.setScriptExecutionDisabled", json -> json.member("value", !run));
    }

    /** The text of an expression's value; a promise is waited for. */
    public String evaluate(String expression) throws Exception {
        JsonValue answer = command(
                "Runtime.evaluate",
                json -> json.member("expression", expression)
                        .member("returnByValue", true)
                        .member("awaitPromise", true));
        if (!answer.member("exceptionDetails").absent()) {
            JsonWriter details = JsonWriter.compact();
            answer.member("exceptionDetails").writeTo(details);
            throw new AssertionError(expression + " failed: " + details);
        }
        return answer.member("result").member("value").textOr("");
    }

    /** Waits until the page's visible text contains this. */
    public void awaitText(String text) throws Exception {
        JsonWriter quoted = JsonWriter.compact();
        quoted.value(text);
        String found = evaluate("""
                new Promise((done) => {
                  const began = Date.now();
                  const look = () => {
                    if (document.body.innerText.includes(%s)) { done("yes"); }
                    else if (Date.now() - began > 15000) { done("no: " + document.body.innerText); }
                    else { setTimeout(look, 50); }
                  };
                  look();
                })""".formatted(quoted));
        if (!found.equals("yes")) {
            throw new AssertionError("the page never said \"" + text + "\"; " + found);
        }
    }

    /** Writes a picture of the whole page. */
    public void screenshot(Path file) throws Exception {
        JsonValue answer = command(
                "Page.captureScreenshot", json -> json.member("format", "png").member("captureBeyondViewport", true));
        Files.createDirectories(file.toAbsolutePath().getParent());
        Files.write(file, Base64.getDecoder().decode(answer.member("data").textOr("")));
    }

    /** Errors on the console so far, those of the Content-Security-Policy and of the network among them. */
    public List<String> complaints() {
        return List.copyOf(complaints);
    }

    private JsonValue command(String method, Consumer<JsonWriter> parameters) throws Exception {
        int id = ids.incrementAndGet();
        JsonWriter json = JsonWriter.compact().beginObject().member("id", id).member("method", method);
        if (tab != null) {
            json.member("sessionId", tab);
        }
        json.name("params").beginObject();
        parameters.accept(json);
        json.endObject().endObject();
        CompletableFuture<JsonValue> answer = new CompletableFuture<>();
        waiting.put(id, answer);
        socket.sendText(json.toString(), true).get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        return answer.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        socket.abort();
        client.shutdownNow();
        List<ProcessHandle> children = process.descendants().toList();
        process.destroy();
        process.onExit()
                .completeOnTimeout(process, 5, TimeUnit.SECONDS)
                .thenCompose(ended -> ended.destroyForcibly().onExit())
                .orTimeout(5, TimeUnit.SECONDS)
                .join();
        // They write into the profile folder until they end.
        for (ProcessHandle child : children) {
            child.destroyForcibly();
            child.onExit().orTimeout(5, TimeUnit.SECONDS).join();
        }
    }

    /** What the browser sends. */
    private final class Messages implements WebSocket.Listener {
        private final StringBuilder parts = new StringBuilder();

        @Override
        public @Nullable CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
            parts.append(data);
            if (last) {
                String whole = parts.toString();
                parts.setLength(0);
                try {
                    take(JsonValue.parse(whole));
                } catch (JsonException e) {
                    complaints.add("the browser sent what is no JSON: " + e.getMessage());
                }
            }
            from.request(1);
            return null;
        }

        private void take(JsonValue message) {
            CompletableFuture<JsonValue> answer = message.member("id").absent()
                    ? null
                    : waiting.remove((int) message.member("id").wholeNumber().orElse(-1));
            if (answer != null) {
                if (message.member("error").absent()) {
                    answer.complete(message.member("result"));
                } else {
                    answer.completeExceptionally(new IOException(
                            message.member("error").member("message").textOr("?")));
                }
                return;
            }
            JsonValue event = message.member("params");
            switch (message.member("method").textOr("")) {
                case "Page.loadEventFired" -> loads.forEach(load -> load.complete(true));
                case "Runtime.exceptionThrown" ->
                    complaints.add(
                            event.member("exceptionDetails").member("text").textOr("exception"));
                case "Log.entryAdded" -> {
                    JsonValue entry = event.member("entry");
                    if (List.of("error", "warning")
                            .contains(entry.member("level").textOr(""))) {
                        complaints.add(entry.member("source").textOr("") + ": "
                                + entry.member("text").textOr(""));
                    }
                }
                default -> {}
            }
        }
    }
}
