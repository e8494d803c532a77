package io.gpunode.agent.kubernetes;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.net.Pem;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * An API server with one node and its events, as far as the agent knows one: lists, watches from a version, creates and patches events, patches the
 * node's status, applies labels with managers of fields. It refuses what it was not told about. Faults are asked for: the next answers of a kind of request, watches that break, versions that
 * are too old, nothing at all.
 */
public final class FakeApiServer implements AutoCloseable {
    static final Path FIXTURES = Path.of("src", "test", "resources", "kubernetes");

    /** A request that came. */
    record Request(
            String verb,
            String path,
            String authorization,
            String accept,
            String contentType,
            String body,
            String peer) {}

    /** An answer in the place of the real one. */
    public record Fault(int status, String body, Map<String, String> headers, boolean hangs, boolean stores) {
        static Fault status(int status, String reason) {
            return new Fault(
                    status,
                    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"" + reason
                            + "\",\"code\":" + status + "}",
                    Map.of(),
                    false,
                    false);
        }

        static Fault hang() {
            return new Fault(0, "", Map.of(), true, false);
        }

        /** Keeps what an event's request brings, and does not answer. */
        static Fault storesAndHangs() {
            return new Fault(0, "", Map.of(), true, true);
        }

        public static Fault answer(int status, String body) {
            return new Fault(status, body, Map.of(), false, false);
        }

        /** No answer: the connection ends. */
        public static Fault lost() {
            return new Fault(0, "", Map.of(), false, false);
        }

        /** What a proxy shows to people. */
        static Fault page(int status) {
            return new Fault(status, "<html>Please log in</html>", Map.of("Content-Type", "text/html"), false, false);
        }

        /** Breaks the connection before the end of the body that it announced. */
        static Fault cutShort(String body) {
            return new Fault(200, body, Map.of(CUT_SHORT, "true"), false, false);
        }

        /** Sends the body byte by byte, ten of them in a second. */
        static Fault drip(String body) {
            return new Fault(200, body, Map.of(DRIP, "true"), false, false);
        }
    }

    private static final String CUT_SHORT = "X-Cut-Short";
    private static final String DRIP = "X-Drip";

    /** Something that the server knows beside what it knows by itself. */
    public interface More {
        /** What kind of request it is; empty when it is for others. */
        String kind(String method, String path);

        /** Does it. */
        Fault answer(String kind, String path, String body);
    }

    private static final More NOTHING_MORE = new More() {
        @Override
        public String kind(String method, String path) {
            return "";
        }

        @Override
        public Fault answer(String kind, String path, String body) {
            throw new IllegalStateException("nothing more");
        }
    };

    private static final String END = "end";
    private static final String BREAK = "break";

    private final boolean tls;
    private final String address;
    private final String node;
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private final BlockingQueue<Request> unread = new LinkedBlockingQueue<>();
    private final Map<String, Deque<Fault>> faults = new TreeMap<>();
    private final List<BlockingQueue<String>> watches = new CopyOnWriteArrayList<>();
    private final Map<String, String> labels = new TreeMap<>();
    /** The managers of each label. */
    private final Map<String, Set<String>> managers = new TreeMap<>();

    private boolean showsManagers = true;
    private volatile @Nullable List<String> delayed;
    private boolean servesFeatures;
    private final Map<String, String> featureLabels = new TreeMap<>();
    private final Map<String, String> featureManagers = new TreeMap<>();
    private String featureMetadata = "";
    private final List<String> taints = new ArrayList<>();
    private final Map<String, String> annotations = new TreeMap<>();
    private volatile String allocatable = "";
    private final Map<String, String> events = new TreeMap<>();
    private final List<String> history = new ArrayList<>();
    private volatile More more = NOTHING_MORE;
    private volatile String token = "";
    private volatile String conditions = "";
    private volatile CountDownLatch released = new CountDownLatch(1);
    private boolean registered = true;
    private long version = 100;
    private long oldest = 100;
    private String uid = "uid-1";
    private HttpServer server;
    private ExecutorService executor;
    private final int port;

    private FakeApiServer(boolean tls, String address, String node) {
        this.tls = tls;
        this.address = address;
        this.node = node;
        this.executor = Executors.newCachedThreadPool();
        this.server = listen(0);
        this.port = server.getAddress().getPort();
    }

    /** Without TLS, with one node. */
    public static FakeApiServer plain(String node) {
        return new FakeApiServer(false, "127.0.0.1", node);
    }

    /** With a certificate of {@code ca.pem}; asks for client certificates of the same. */
    static FakeApiServer tls(String node) {
        return new FakeApiServer(true, "127.0.0.1", node);
    }

    /** The same at an address that its certificate does not name. */
    static FakeApiServer misnamed(String node) {
        return new FakeApiServer(true, "127.0.0.2", node);
    }

    /** Knows something more from now on. */
    public void knows(More known) {
        more = known;
    }

    /** Where it listens. */
    public String url() {
        return (tls ? "https" : "http") + "://" + address + ":" + port;
    }

    /** Accepts this bearer alone; empty accepts all. */
    void token(String accepted) {
        token = accepted;
    }

    /** Sets labels of the node, as a person does, and tells the watches. */
    public synchronized void labels(Map<String, String> changed) {
        manage("kubectl-label", changed, true);
    }

    /** Sets some labels of the node in the name of somebody and leaves the others. */
    synchronized void setLabels(String manager, Map<String, String> changed) {
        manage(manager, changed, false);
    }

    private void manage(String manager, Map<String, String> changed, boolean all) {
        if (all) {
            labels.keySet().retainAll(changed.keySet());
            managers.keySet().retainAll(changed.keySet());
        }
        changed.forEach((key, value) -> {
            if (!value.equals(labels.put(key, value))) {
                managers.put(key, new TreeSet<>(Set.of(manager)));
            }
        });
        happened(registered ? "MODIFIED" : "ADDED");
        registered = true;
    }

    /** Does something of which no watch is told. */
    synchronized void silently(Runnable change) {
        List<BlockingQueue<String>> open = List.copyOf(watches);
        watches.clear();
        change.run();
        watches.addAll(open);
    }

    /** A master of node-feature-discovery says for which labels it answers. */
    synchronized void featureDiscoveryAnswersFor(String... keys) {
        annotations.put("nfd.node.kubernetes.io/feature-labels", String.join(",", keys));
        happened("MODIFIED");
    }

    /** Where it listens. */
    int port() {
        return port;
    }

    /** Gives the node an annotation; none has it at first. */
    synchronized void annotate(String key, String value) {
        annotations.put(key, value);
        happened("MODIFIED");
    }

    synchronized Map<String, String> annotations() {
        return Map.copyOf(annotations);
    }

    /** Gives the node these taints, JSON each. */
    synchronized void taint(String... all) {
        taints.clear();
        taints.addAll(List.of(all));
        happened("MODIFIED");
    }

    synchronized List<String> taints() {
        return List.copyOf(taints);
    }

    /** What the node says is allocatable, JSON members. */
    synchronized void allocatable(String json) {
        allocatable = json;
        happened("MODIFIED");
    }

    /** Has NodeFeature objects, as with node-feature-discovery. */
    synchronized void serveFeatures(boolean served) {
        servesFeatures = served;
    }

    /** The NodeFeature object as GPU feature discovery leaves it. */
    synchronized void feature(Map<String, String> ofFeatureDiscovery) {
        featureMetadata = "\"labels\":{\"nfd.node.kubernetes.io/node-name\":\"" + node + "\"}";
        ofFeatureDiscovery.forEach((key, value) -> {
            featureLabels.put(key, value);
            featureManagers.put(key, "gpu-feature-discovery");
        });
    }

    synchronized void deleteFeature() {
        featureMetadata = "";
        featureLabels.clear();
        featureManagers.clear();
    }

    /** The labels of the NodeFeature object. */
    synchronized Map<String, String> feature() {
        return new TreeMap<>(featureLabels);
    }

    synchronized void removeLabel(String key) {
        labels.remove(key);
        managers.remove(key);
        happened("MODIFIED");
    }

    /** The labels of the node now. */
    public synchronized Map<String, String> labels() {
        return new TreeMap<>(labels);
    }

    /** Who manages a label. */
    synchronized Set<String> managers(String key) {
        return new TreeSet<>(managers.getOrDefault(key, Set.of()));
    }

    /** Says nothing of managers, as old servers and some proxies. */
    synchronized void hideManagers() {
        showsManagers = false;
    }

    synchronized void deleteNode() {
        happened("DELETED");
        registered = false;
        labels.clear();
        managers.clear();
        annotations.clear();
        uid += "-next";
    }

    synchronized void notRegistered() {
        registered = false;
        history.clear();
    }

    /** An etcd that was restored from a backup: versions begin before those that were told. */
    synchronized void goBackTo(long earlier) {
        version = earlier;
        oldest = earlier;
        history.clear();
    }

    /** Forgets what happened: watches from before are answered with 410. */
    synchronized void compact() {
        version++;
        oldest = version;
        history.clear();
    }

    /** Something else in the cluster moved on. */
    synchronized void bookmark() {
        version++;
        send("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Node\",\"metadata\":{\"resourceVersion\":\"" + version
                + "\"}}}\n");
    }

    /** Keeps what happens from the watches until {@link #tell}. */
    synchronized void delay() {
        delayed = new ArrayList<>();
    }

    /** Tells what was kept back, in order. */
    synchronized void tell() {
        List<String> kept = delayed == null ? List.of() : delayed;
        delayed = null;
        kept.forEach(this::send);
    }

    /** Sends text on every watch as it is. */
    void send(String raw) {
        List<String> kept = delayed;
        if (kept != null) {
            kept.add(raw);
            return;
        }
        watches.forEach(watch -> watch.add(raw));
    }

    /** Ends every watch as a server does when its time is up. */
    void endWatches() {
        send(END);
    }

    /** Breaks every watch's connection. */
    void breakWatches() {
        send(BREAK);
    }

    /** Answers the next request of a kind ({@code list}, {@code watch}, {@code event}, {@code patchEvent}, {@code status}, {@code node}, {@code apply},
     * {@code taint},
     * {@code discovery}, {@code feature}, {@code applyFeature}, {@code tryFeature}, {@code patchFeature}) so. */
    void next(String kind, Fault... wanted) {
        synchronized (faults) {
            faults.computeIfAbsent(kind, _ -> new ArrayDeque<>()).addAll(List.of(wanted));
        }
    }

    /** Lets requests that hang end. */
    void release() {
        released.countDown();
        released = new CountDownLatch(1);
    }

    /** What the node's status says of conditions, JSON. */
    void conditions(String json) {
        conditions = json;
    }

    /** Every request so far. */
    List<Request> requests() {
        return requests;
    }

    List<Request> requests(String verb) {
        return requests.stream().filter(request -> request.verb().equals(verb)).toList();
    }

    /** The next request of a kind that has not been awaited yet. */
    Request await(String verb) throws InterruptedException {
        while (true) {
            Request next = unread.poll(10, TimeUnit.SECONDS);
            if (next == null) {
                throw new AssertionError("no " + verb + " came within 10 s; there were " + requests);
            }
            if (next.verb().equals(verb)) {
                return next;
            }
        }
    }

    /** Forgets the events that it keeps, as a server does after an hour. */
    synchronized void forgetEvents() {
        events.clear();
    }

    int openWatches() {
        return watches.size();
    }

    /** Ends, with every connection. */
    void stop() {
        breakWatches();
        release();
        server.stop(0);
        executor.shutdownNow();
    }

    /** Listens again where it did. */
    void start() {
        executor = Executors.newCachedThreadPool();
        server = listen(port);
    }

    @Override
    public void close() {
        stop();
    }

    private HttpServer listen(int wanted) {
        try {
            InetSocketAddress place = new InetSocketAddress(InetAddress.getByName(address), wanted);
            HttpServer made;
            if (tls) {
                HttpsServer https = HttpsServer.create(place, 50);
                https.setHttpsConfigurator(new HttpsConfigurator(context()) {
                    @Override
                    public void configure(HttpsParameters parameters) {
                        SSLParameters ssl = getSSLContext().getDefaultSSLParameters();
                        ssl.setWantClientAuth(true);
                        parameters.setSSLParameters(ssl);
                    }
                });
                made = https;
            } else {
                made = HttpServer.create(place, 50);
            }
            made.setExecutor(executor);
            made.createContext("/", this::handle);
            made.start();
            return made;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static SSLContext context() {
        try (InputStream in = Files.newInputStream(FIXTURES.resolve("server.p12"))) {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(in, "fixture".toCharArray());
            KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            factory.init(keys, "fixture".toCharArray());
            KeyStore authorities = KeyStore.getInstance("PKCS12");
            authorities.load(null, null);
            authorities.setCertificateEntry(
                    "ca",
                    Pem.certificates(Files.readString(FIXTURES.resolve("ca.pem")), "ca.pem")
                            .getFirst());
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(authorities);
            TrustManager[] managers = trust.getTrustManagers();
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(factory.getKeyManagers(), managers, null);
            return context;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            // A proxy's requests name the host, too.
            String path = exchange.getRequestURI().toString().replaceFirst("^http://[^/]*", "");
            String method = exchange.getRequestMethod();
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            String kind = kind(method, path);
            Headers headers = exchange.getRequestHeaders();
            Request request = new Request(
                    kind,
                    path,
                    first(headers, "Authorization"),
                    first(headers, "Accept"),
                    first(headers, "Content-Type"),
                    body,
                    peer(exchange));
            requests.add(request);
            unread.add(request);
            Fault fault = fault(kind);
            if (fault != null) {
                if (fault.stores) {
                    keepEvent(body);
                }
                if (fault.hangs) {
                    if (!released.await(60, TimeUnit.SECONDS)) {
                        throw new IOException("never released");
                    }
                    return;
                }
                exchange.getResponseHeaders().set("Content-Type", "application/json");
                fault.headers.forEach(exchange.getResponseHeaders()::set);
                if (fault.headers.containsKey(DRIP)) {
                    drip(exchange, fault.body);
                } else if (fault.headers.containsKey(CUT_SHORT)) {
                    exchange.sendResponseHeaders(fault.status, fault.body.length() + 100L);
                    exchange.getResponseBody().write(fault.body.getBytes(StandardCharsets.UTF_8));
                    exchange.getResponseBody().flush();
                } else {
                    send(exchange, fault.status, fault.body);
                }
                return;
            }
            if (!token.isEmpty() && !request.authorization().equals("Bearer " + token)) {
                answer(exchange, 401, Fault.status(401, "Unauthorized").body);
                return;
            }
            if (!more.kind(method, path).isEmpty()) {
                Fault answer = more.answer(kind, path, body);
                if (answer.equals(Fault.lost())) {
                    return;
                }
                answer(exchange, answer.status, answer.body);
                return;
            }
            switch (kind) {
                case "list" -> answer(exchange, 200, list());
                case "watch" -> watch(exchange, path);
                case "node" -> answer(exchange, 200, node(version));
                case "event" -> createEvent(exchange, body);
                case "patchEvent" -> patchEvent(exchange, path, body);
                case "status" -> answer(exchange, 200, node(version));
                case "apply" -> apply(exchange, path, body);
                case "taint" -> removeTaints(exchange, body);
                case "discovery", "feature", "applyFeature", "tryFeature", "patchFeature" ->
                    feature(exchange, kind, body);
                default ->
                    answer(exchange, 404, Fault.status(404, "the server could not find the requested resource").body);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String kind(String method, String path) {
        String others = more.kind(method, path);
        if (!others.isEmpty()) {
            return others;
        }
        if (path.startsWith("/api/v1/nodes?watch=true&")) {
            return method.equals("GET") ? "watch" : method;
        }
        if (path.startsWith("/api/v1/nodes?")) {
            return method.equals("GET") ? "list" : method;
        }
        if (path.startsWith("/api/v1/nodes/" + node + "/status?")) {
            return method.equals("PATCH") ? "status" : method;
        }
        if (path.startsWith("/api/v1/nodes/" + node + "?fieldManager=")) {
            return method.equals("PATCH") ? path.endsWith("=gpu-node-agent") ? "taint" : "apply" : method;
        }
        if (path.equals("/apis/nfd.k8s-sigs.io/v1alpha1")) {
            return method.equals("GET") ? "discovery" : method;
        }
        if (path.startsWith("/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu/nodefeatures/nvidia-features-for-" + node)) {
            if (method.equals("PATCH") && path.contains("&dryRun=All")) {
                return "tryFeature";
            }
            return method.equals("GET")
                    ? "feature"
                    : method.equals("PATCH") ? path.endsWith("&force=true") ? "applyFeature" : "patchFeature" : method;
        }
        if (path.equals("/api/v1/nodes/" + node)) {
            return method.equals("GET") ? "node" : method;
        }
        if (path.startsWith("/api/v1/namespaces/default/events?")) {
            return method.equals("POST") ? "event" : method;
        }
        if (path.startsWith("/api/v1/namespaces/default/events/")) {
            return method.equals("PATCH") ? "patchEvent" : method;
        }
        return method;
    }

    private void watch(HttpExchange exchange, String path) throws IOException, InterruptedException {
        long from = Long.parseLong(path.replaceAll(".*resourceVersion=(\\d+).*", "$1"));
        BlockingQueue<String> queue = new LinkedBlockingQueue<>();
        synchronized (this) {
            if (from < oldest) {
                queue.add(
                        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"too old resource version\"}}\n");
                queue.add(END);
            }
            for (String event : history) {
                if (Long.parseLong(event.replaceAll(".*\"resourceVersion\":\"(\\d+)\".*\n", "$1")) > from) {
                    queue.add(event);
                }
            }
            watches.add(queue);
        }
        try {
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, 0);
            OutputStream out = exchange.getResponseBody();
            out.flush();
            while (true) {
                String next = queue.take();
                if (next.equals(BREAK)) {
                    return;
                }
                if (next.equals(END)) {
                    out.close();
                    return;
                }
                out.write(next.getBytes(StandardCharsets.UTF_8));
                out.flush();
            }
        } finally {
            watches.remove(queue);
        }
    }

    private synchronized String list() {
        return "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\""
                + version + "\"},\"items\":[" + (registered ? node(version) : "") + "]}";
    }

    private synchronized void createEvent(HttpExchange exchange, String body) throws IOException {
        if (keepEvent(body)) {
            answer(exchange, 201, body);
        } else {
            answer(exchange, 409, Fault.status(409, "events already exists").body);
        }
    }

    /** Whether there was none of that name. */
    private synchronized boolean keepEvent(String body) {
        String name = body.replaceAll(".*?\"metadata\":\\{\"name\":\"([^\"]+)\".*", "$1");
        return events.putIfAbsent(name, body) == null;
    }

    /** The events that it keeps, as they were made. */
    public synchronized List<String> keptEvents() {
        return List.copyOf(events.values());
    }

    /** How many events it keeps. */
    synchronized int events() {
        return events.size();
    }

    private synchronized void patchEvent(HttpExchange exchange, String path, String body) throws IOException {
        String name = path.replaceAll(".*/events/([^?]+)\\?.*", "$1");
        if (events.containsKey(name)) {
            answer(exchange, 200, body);
        } else {
            answer(exchange, 404, Fault.status(404, "events not found").body);
        }
    }

    /** Server-side apply of the node's labels. */
    private synchronized void apply(HttpExchange exchange, String path, String body) throws IOException {
        String manager = path.replaceAll(".*[?&]fieldManager=([^&]*).*", "$1");
        boolean force = path.contains("&force=true");
        JsonValue metadata = parsed(body).member("metadata");
        if (!registered) {
            answer(
                    exchange,
                    409,
                    Fault.status(
                                    409,
                                    "uid mismatch: the provided object specified a uid, and no existing object was found")
                            .body);
            return;
        }
        if (!metadata.member("uid").textOr("").equals(uid)) {
            answer(exchange, 409, Fault.status(409, "Precondition failed: UID in precondition").body);
            return;
        }
        Map<String, String> wanted = new TreeMap<>();
        metadata.member("labels").members().forEach((key, value) -> wanted.put(key, value.textOr("")));
        StringBuilder causes = new StringBuilder();
        wanted.forEach((key, value) -> {
            for (String other : managers.getOrDefault(key, Set.of())) {
                if (!other.equals(manager) && !value.equals(labels.get(key))) {
                    causes.append(causes.isEmpty() ? "" : ",")
                            .append("{\"reason\":\"FieldManagerConflict\",\"message\":\"conflict with \\\"")
                            .append(other)
                            .append("\\\" using v1\",\"field\":\".metadata.labels.")
                            .append(key)
                            .append("\"}");
                }
            }
        });
        if (!causes.isEmpty() && !force) {
            answer(
                    exchange,
                    409,
                    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"Apply failed with conflicts\",\"reason\":\"Conflict\","
                            + "\"details\":{\"causes\":[" + causes + "]},\"code\":409}");
            return;
        }
        Map<String, String> before = new TreeMap<>(labels);
        String managersBefore = managers.toString();
        for (String key : List.copyOf(managers.keySet())) {
            Set<String> owners = Objects.requireNonNull(managers.get(key));
            if (owners.contains(manager) && !wanted.containsKey(key)) {
                owners.remove(manager);
                if (owners.isEmpty()) {
                    managers.remove(key);
                    labels.remove(key);
                }
            }
        }
        wanted.forEach((key, value) -> {
            if (!value.equals(labels.put(key, value))) {
                managers.remove(key);
            }
            managers.computeIfAbsent(key, _ -> new TreeSet<>()).add(manager);
        });
        if (!before.equals(labels) || !managersBefore.equals(managers.toString())) {
            happened("MODIFIED");
        }
        answer(exchange, 200, node(version));
    }

    /** A JSON patch that takes a manager of fields out. */
    private synchronized void removeManager(HttpExchange exchange, String body) throws IOException {
        List<JsonValue> entries = parsed("[" + managedFields() + "]").elements();
        for (JsonValue operation : parsed(body).elements()) {
            String at = operation.member("path").textOr("");
            String value = operation.member("value").textOr("");
            if (at.startsWith("/metadata/labels/")) {
                String key = at.substring("/metadata/labels/".length()).replace("~1", "/");
                labels.remove(key);
                managers.remove(key);
                continue;
            }
            String[] parts = at.split("/", -1);
            String is = uid;
            if (at.startsWith("/metadata/managedFields/")) {
                JsonValue entry = entries.get(Integer.parseInt(parts[3]));
                is = entry.member(parts.length > 4 ? parts[4] : "manager").textOr("");
            }
            if (operation.member("op").textOr("").equals("remove")) {
                String manager = is;
                managers.values().forEach(all -> all.remove(manager));
            } else if (!is.equals(value)) {
                answer(exchange, 422, Fault.status(422, "testing value " + at + " failed").body);
                return;
            }
        }
        happened("MODIFIED");
        answer(exchange, 200, node(version));
    }

    /** A JSON patch of tests, removals of taints and an annotation. */
    private synchronized void removeTaints(HttpExchange exchange, String body) throws IOException {
        if (body.contains("/metadata/managedFields/")) {
            removeManager(exchange, body);
            return;
        }
        List<String> after = new ArrayList<>(taints);
        Map<String, String> added = new TreeMap<>();
        boolean created = false;
        for (JsonValue operation : parsed(body).elements()) {
            String at = operation.member("path").textOr("");
            if (operation.member("op").textOr("").equals("add")) {
                String name = at.substring("/metadata/annotations".length());
                // As the server: into an object that is not there nothing can be added.
                if (!name.isEmpty() && annotations.isEmpty() && !created) {
                    answer(exchange, 422, Fault.status(422, "add operation does not apply: " + at).body);
                    return;
                }
                created |= name.isEmpty();
                if (!name.isEmpty()) {
                    added.put(
                            name.substring(1).replace("~1", "/"),
                            operation.member("value").textOr(""));
                }
                continue;
            }
            String is = at.equals("/metadata/uid")
                    ? uid
                    : at.equals("/metadata/resourceVersion")
                            ? Long.toString(version)
                            : after.get(Integer.parseInt(at.substring("/spec/taints/".length())));
            JsonWriter value = JsonWriter.compact();
            operation.member("value").writeTo(value);
            if (operation.member("op").textOr("").equals("remove")) {
                after.remove(is);
            } else if (!value.toString().replace("\"", "").equals(is.replace("\"", ""))) {
                answer(exchange, 422, Fault.status(422, "testing value " + at + " failed").body);
                return;
            }
        }
        taints.clear();
        taints.addAll(after);
        annotations.putAll(added);
        happened("MODIFIED");
        answer(exchange, 200, node(version));
    }

    private synchronized void feature(HttpExchange exchange, String kind, String body) throws IOException {
        if (!servesFeatures) {
            answer(exchange, 404, Fault.status(404, "the server could not find the requested resource").body);
            return;
        }
        if (kind.equals("discovery")) {
            answer(
                    exchange,
                    200,
                    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"nfd.k8s-sigs.io/v1alpha1\",\"resources\":[{\"name\":\"nodefeatures\","
                            + "\"namespaced\":true,\"kind\":\"NodeFeature\"}]}");
            return;
        }
        if (kind.equals("tryFeature")) {
            answer(exchange, 200, body);
            return;
        }
        if (kind.equals("applyFeature")) {
            JsonValue object = parsed(body);
            JsonWriter metadata = JsonWriter.compact();
            object.member("metadata").writeTo(metadata);
            featureMetadata = metadata.toString().replaceAll("^\\{|\\}$", "");
            Map<String, JsonValue> wanted =
                    object.member("spec").member("labels").members();
            featureLabels
                    .keySet()
                    .removeIf(key ->
                            !wanted.containsKey(key) && NodeLabelWriter.FIELD_MANAGER.equals(featureManagers.get(key)));
            featureManagers.keySet().retainAll(featureLabels.keySet());
            wanted.forEach((key, value) -> {
                featureLabels.put(key, value.textOr(""));
                featureManagers.put(key, NodeLabelWriter.FIELD_MANAGER);
            });
        } else if (featureMetadata.isEmpty()) {
            answer(exchange, 404, Fault.status(404, "nodefeatures.nfd.k8s-sigs.io not found").body);
            return;
        } else if (kind.equals("patchFeature")) {
            parsed(body).member("spec").member("labels").members().forEach((key, value) -> {
                if (value.absent()) {
                    featureLabels.remove(key);
                }
            });
        }
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .name("spec")
                .beginObject()
                .name("labels")
                .beginObject();
        featureLabels.forEach(json::member);
        json.endObject().endObject().endObject();
        boolean own = featureManagers.containsValue(NodeLabelWriter.FIELD_MANAGER);
        String managed = own
                ? ",\"managedFields\":[{\"manager\":\"" + NodeLabelWriter.FIELD_MANAGER
                        + "\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:spec\":{\"f:labels\":{\"f:nvidia.com/gpu.count\":{}}}}}]"
                : "";
        answer(
                exchange,
                200,
                "{\"metadata\":{" + featureMetadata + managed + "},"
                        + json.toString().substring(1));
    }

    private static JsonValue parsed(String body) throws IOException {
        try {
            return JsonValue.parse(body);
        } catch (JsonException e) {
            throw new IOException(body, e);
        }
    }

    private String managedFields() {
        Map<String, List<String>> byManager = new TreeMap<>();
        managers.forEach((key, all) -> all.forEach(manager ->
                byManager.computeIfAbsent(manager, _ -> new ArrayList<>()).add(key)));
        StringBuilder json = new StringBuilder(
                "{\"manager\":\"kubelet\",\"operation\":\"Update\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:status\":{}}}");
        byManager.forEach((manager, keys) -> {
            json.append(",{\"manager\":\"")
                    .append(manager)
                    .append("\",\"operation\":\"")
                    .append(manager.startsWith("gpu-node-agent") ? "Apply" : "Update")
                    .append("\",\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{\".\":{}");
            keys.forEach(key -> json.append(",\"f:").append(key).append("\":{}"));
            json.append("}}}}");
        });
        return json.toString();
    }

    private synchronized String node(long at) {
        StringBuilder json = new StringBuilder("{\"kind\":\"Node\",\"metadata\":{\"name\":\"")
                .append(node)
                .append("\",\"uid\":\"")
                .append(uid)
                .append("\",\"resourceVersion\":\"")
                .append(at)
                .append("\",\"labels\":{");
        String comma = "";
        for (Map.Entry<String, String> label : labels.entrySet()) {
            json.append(comma)
                    .append('"')
                    .append(label.getKey())
                    .append("\":\"")
                    .append(label.getValue())
                    .append('"');
            comma = ",";
        }
        json.append('}');
        if (!annotations.isEmpty()) {
            JsonWriter all = JsonWriter.compact().beginObject();
            annotations.forEach(all::member);
            json.append(",\"annotations\":").append(all.endObject());
        }
        if (showsManagers) {
            json.append(",\"managedFields\":[").append(managedFields()).append(']');
        }
        json.append("},\"spec\":{\"taints\":[")
                .append(String.join(",", taints))
                .append("]},\"status\":{\"allocatable\":{");
        return json.append(allocatable)
                .append("},\"conditions\":[")
                .append(conditions)
                .append("]}}")
                .toString();
    }

    private void happened(String type) {
        version++;
        String event = "{\"type\":\"" + type + "\",\"object\":" + node(version) + "}\n";
        history.add(event);
        send(event);
    }

    private @Nullable Fault fault(String kind) {
        synchronized (faults) {
            Deque<Fault> wanted = faults.get(kind);
            return wanted == null ? null : wanted.poll();
        }
    }

    private static String peer(HttpExchange exchange) {
        if (exchange instanceof com.sun.net.httpserver.HttpsExchange https) {
            try {
                return https.getSSLSession().getPeerPrincipal().getName();
            } catch (javax.net.ssl.SSLPeerUnverifiedException e) {
                return "";
            }
        }
        return "";
    }

    private static String first(Headers headers, String name) {
        return Objects.requireNonNullElse(headers.getFirst(name), "");
    }

    private void drip(HttpExchange exchange, String body) throws IOException, InterruptedException {
        exchange.sendResponseHeaders(200, 0);
        for (byte one : body.getBytes(StandardCharsets.UTF_8)) {
            exchange.getResponseBody().write(one);
            exchange.getResponseBody().flush();
            if (released.await(100, TimeUnit.MILLISECONDS)) {
                return;
            }
        }
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        send(exchange, status, body);
    }

    private static void send(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
    }
}
