package io.gpunode.benchmarks;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Answers as an API server does to what agents ask it: lists, watches, reads and patches of nodes, events. It knows every node that is asked for, with
 * the labels and annotations that a node of a cloud has, checks nothing, and counts what comes. A thread for each connection.
 */
final class StandInApiServer implements AutoCloseable {
    private static final Pattern SELECTED = Pattern.compile("fieldSelector=metadata\\.name(?:%3D|=)([^&]+)");
    private static final Pattern NODE = Pattern.compile("/api/v1/nodes/([^/?]+)(/status)?(?:\\?.*)?");
    /** What a node of a managed cluster has beside what its GPUs are told by. */
    private static final int LABELS = 30;

    private static final int ANNOTATIONS = 12;
    /** A kubelet tells 50 at most. */
    private static final int IMAGES = 50;

    private final @Nullable SSLContext tls;
    private final int port;
    private final Traffic traffic = new Traffic();
    private final Map<String, Long> versions = new ConcurrentHashMap<>();
    /** What was applied to a node, label by label. */
    private final Map<String, Map<String, String>> applied = new ConcurrentHashMap<>();

    /** The condition that was patched into a node's status, as JSON. */
    private final Map<String, String> conditions = new ConcurrentHashMap<>();

    /** What others made of a node's labels. */
    private final Map<String, Map<String, String>> set = new ConcurrentHashMap<>();

    private final Map<Watch, Watch> watches = new ConcurrentHashMap<>();
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final AtomicLong version = new AtomicLong(1_000_000);
    private ServerSocket listening;

    private StandInApiServer(@Nullable SSLContext tls) throws IOException {
        this.tls = tls;
        this.listening = listen(0);
        this.port = listening.getLocalPort();
    }

    /** Listens on the loopback address without TLS. */
    static StandInApiServer plain() throws IOException {
        return new StandInApiServer(null);
    }

    /** The same with TLS. */
    static StandInApiServer secure(SSLContext context) throws IOException {
        return new StandInApiServer(context);
    }

    String url() {
        return (tls == null ? "http" : "https") + "://127.0.0.1:" + port;
    }

    Traffic traffic() {
        return traffic;
    }

    int watches() {
        return watches.size();
    }

    /** What a server sends on each watch once a minute. */
    void bookmark() {
        send(
                "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\""
                        + version.get() + "\",\"creationTimestamp\":null}}}\n",
                "");
    }

    /** What a kubelet's report makes of a node, on the watch of each. */
    void report() {
        for (String node : versions.keySet()) {
            changed(node);
        }
    }

    /** What somebody else makes of a label of a node, told on its watch. */
    void label(String node, String key, String value) {
        set.computeIfAbsent(node, _ -> new ConcurrentHashMap<>()).put(key, value);
        changed(node);
    }

    /** Ends as a killed process does, with every connection. */
    void stop() throws IOException {
        listening.close();
        for (Socket socket : open) {
            socket.close();
        }
    }

    /** Listens again where it did. */
    void start() throws IOException {
        listening = listen(port);
    }

    @Override
    public void close() throws IOException {
        stop();
    }

    private ServerSocket listen(int wanted) throws IOException {
        ServerSocket made = new ServerSocket();
        made.setReuseAddress(true);
        made.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), wanted), 1_024);
        Thread.ofPlatform().daemon().name("stand-in").start(() -> accept(made));
        return made;
    }

    private void accept(ServerSocket from) {
        while (!from.isClosed()) {
            try {
                Socket raw = from.accept();
                raw.setTcpNoDelay(true);
                open.add(raw);
                traffic.connected();
                Thread.ofVirtual().start(() -> serve(raw));
            } catch (IOException e) {
                // Closed: the loop ends.
            }
        }
    }

    private void serve(Socket raw) {
        try (raw) {
            Socket socket = raw;
            if (tls != null) {
                SSLSocket secure = (SSLSocket) tls.getSocketFactory().createSocket(raw, null, true);
                secure.setUseClientMode(false);
                socket = secure;
            }
            InputStream in = new BufferedInputStream(socket.getInputStream());
            OutputStream out = socket.getOutputStream();
            for (Request request = read(in); request != null; request = read(in)) {
                if (!answer(request, in, out)) {
                    return;
                }
            }
        } catch (IOException e) {
            // The client has gone, or the server has been stopped.
        } finally {
            open.remove(raw);
        }
    }

    private @Nullable Request read(InputStream in) throws IOException {
        long bytes = 0;
        String first = "";
        Map<String, String> headers = new HashMap<>();
        while (true) {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            int next = in.read();
            for (; next >= 0 && next != '\n'; next = in.read()) {
                line.write(next);
            }
            if (next < 0) {
                return null;
            }
            bytes += line.size() + 1;
            String text = line.toString(StandardCharsets.ISO_8859_1).strip();
            if (text.isEmpty()) {
                break;
            }
            int colon = text.indexOf(':');
            if (first.isEmpty()) {
                first = text;
            } else if (colon > 0) {
                headers.put(
                        text.substring(0, colon).toLowerCase(Locale.ROOT),
                        text.substring(colon + 1).strip());
            }
        }
        byte[] body = in.readNBytes(Integer.parseInt(headers.getOrDefault("content-length", "0")));
        String[] parts = first.split(" ", 3);
        return new Request(
                parts[0],
                parts[1],
                headers.getOrDefault("accept", "").contains("PartialObjectMetadata"),
                new String(body, StandardCharsets.UTF_8),
                bytes + body.length);
    }

    /** False after a watch, which ends its connection. */
    private boolean answer(Request request, InputStream in, OutputStream out) throws IOException {
        String path = request.path;
        Matcher selected = SELECTED.matcher(path);
        Matcher node = NODE.matcher(path);
        if (path.startsWith("/api/v1/nodes?watch=true") && selected.find()) {
            watch(selected.group(1), request, in, out);
            return false;
        }
        if (path.startsWith("/api/v1/nodes?") && selected.find()) {
            String name = selected.group(1);
            body(
                    "list",
                    request,
                    out,
                    200,
                    () ->
                            "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\""
                                    + version.get() + "\"},\"items\":[" + metadata(name) + "]}");
        } else if (node.matches()) {
            String name = node.group(1);
            boolean reading = request.method.equals("GET");
            boolean status = node.group(2) != null;
            if (!reading && status) {
                conditions.put(name, conditions(request.body));
            } else if (!reading) {
                apply(name, request.body);
            }
            if (!reading) {
                changed(name);
            }
            body(
                    reading ? "get node" : status ? "patch node status" : "apply node labels",
                    request,
                    out,
                    200,
                    () -> request.brief ? metadata(name) : whole(name));
        } else if (path.startsWith("/api/v1/namespaces/default/events")) {
            boolean made = request.method.equals("POST");
            body(made ? "create event" : "patch event", request, out, made ? 201 : 200, () -> request.body);
        } else {
            body(
                    "other",
                    request,
                    out,
                    404,
                    () -> "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":404}");
        }
        return true;
    }

    private void body(String verb, Request request, OutputStream out, int status, Supplier<String> json)
            throws IOException {
        byte[] body = json.get().getBytes(StandardCharsets.UTF_8);
        byte[] head = ("HTTP/1.1 " + status + " OK\r\nAudit-Id: 00000000-0000-0000-0000-000000000000\r\n"
                        + "Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n"
                        + "X-Kubernetes-Pf-Flowschema-Uid: 00000000-0000-0000-0000-000000000000\r\n"
                        + "X-Kubernetes-Pf-Prioritylevel-Uid: 00000000-0000-0000-0000-000000000000\r\n"
                        + "Content-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        traffic.answered(verb, request.bytes, head.length + (long) body.length);
        out.write(head);
        out.write(body);
        out.flush();
    }

    private void watch(String node, Request request, InputStream in, OutputStream out) throws IOException {
        Watch watch = new Watch(node, out);
        byte[] head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                .getBytes(StandardCharsets.US_ASCII);
        traffic.answered("watch", request.bytes, head.length);
        out.write(head);
        out.flush();
        watches.put(watch, watch);
        try {
            // Nothing comes but the end.
            while (in.read() >= 0) {
                traffic.sent(0);
            }
        } finally {
            watches.remove(watch);
        }
    }

    private void apply(String node, String body) throws IOException {
        Map<String, String> labels = new TreeMap<>();
        try {
            JsonValue.parse(body)
                    .member("metadata")
                    .member("labels")
                    .members()
                    .forEach((key, value) -> labels.put(key, value.textOr("")));
        } catch (JsonException e) {
            throw new IOException(e);
        }
        applied.put(node, labels);
    }

    private static String conditions(String body) throws IOException {
        int begin = body.indexOf("\"conditions\":[");
        int end = body.lastIndexOf(']');
        if (begin < 0 || end < begin) {
            throw new IOException("a patch of a status without conditions: " + body);
        }
        return body.substring(begin, end + 1);
    }

    private void changed(String node) {
        versions.put(node, version.incrementAndGet());
        send("{\"type\":\"MODIFIED\",\"object\":" + metadata(node) + "}\n", node);
    }

    /** To the watches of one node, or of all. */
    private void send(String line, String node) {
        for (Watch watch : watches.values()) {
            if (node.isEmpty() || watch.node.equals(node)) {
                traffic.sent(watch.send(line));
            }
        }
    }

    /** With what a kubelet tells: most of it is the images on the node. */
    private String whole(String node) {
        String metadata = metadata(node);
        StringBuilder json = new StringBuilder(16_384)
                .append(metadata, 0, metadata.length() - 1)
                .append(",\"status\":{")
                .append(conditions.getOrDefault(node, "\"conditions\":[]"))
                .append(",\"images\":[");
        for (int i = 0; i < IMAGES; i++) {
            json.append(i == 0 ? "" : ",")
                    .append("{\"names\":[\"registry.example.com/group/project/image@sha256:")
                    .append("0123456789abcdef".repeat(4))
                    .append("\",\"registry.example.com/group/project/image:1.2.")
                    .append(i)
                    .append("\"],\"sizeBytes\":123456789}");
        }
        return json.append("]}}").toString();
    }

    private String metadata(String node) {
        long at = versions.computeIfAbsent(node, _ -> version.incrementAndGet());
        StringBuilder json = new StringBuilder(4_096)
                .append(
                        "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"name\":\"")
                .append(node)
                .append("\",\"uid\":\"uid-of-")
                .append(node)
                .append("\",\"resourceVersion\":\"")
                .append(at)
                .append("\",\"labels\":{");
        for (int i = 0; i < LABELS; i++) {
            json.append(i == 0 ? "" : ",")
                    .append("\"cloud.example.com/some-property-")
                    .append(i)
                    .append("\":\"its-value-")
                    .append(i)
                    .append('"');
        }
        set.getOrDefault(node, Map.of())
                .forEach((key, value) -> json.append(",\"")
                        .append(key)
                        .append("\":\"")
                        .append(value)
                        .append('"'));
        Map<String, String> own = applied.getOrDefault(node, Map.of());
        StringBuilder fields = new StringBuilder();
        own.forEach((key, value) -> {
            json.append(",\"").append(key).append("\":\"").append(value).append('"');
            fields.append(fields.isEmpty() ? "" : ",")
                    .append("\"f:")
                    .append(key)
                    .append("\":{}");
        });
        json.append(
                        "},\"managedFields\":[{\"manager\":\"gpu-node-agent-labels\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{")
                .append(fields)
                .append("}}}}],\"annotations\":{");
        for (int i = 0; i < ANNOTATIONS; i++) {
            json.append(i == 0 ? "" : ",")
                    .append("\"cloud.example.com/some-annotation-")
                    .append(i)
                    .append("\":\"")
                    .append("a value that may be longer ".repeat(3))
                    .append('"');
        }
        return json.append("}}}").toString();
    }

    /** @param brief whether only metadata is asked for */
    private record Request(String method, String path, boolean brief, String body, long bytes) {}

    /** An open watch; compared by itself. */
    private static final class Watch {
        private final String node;
        private final OutputStream out;

        Watch(String node, OutputStream out) {
            this.node = node;
            this.out = out;
        }

        /** How many bytes went. */
        synchronized long send(String line) {
            byte[] chunk =
                    (Integer.toHexString(line.length()) + "\r\n" + line + "\r\n").getBytes(StandardCharsets.US_ASCII);
            try {
                out.write(chunk);
                out.flush();
            } catch (IOException e) {
                // Its reader sees the end, too.
                return 0;
            }
            return chunk.length;
        }
    }

    /** What came and went since it was last begun anew, second by second. HTTP's bytes, without TLS's and TCP's. Any thread. */
    static final class Traffic {
        private static final int SECONDS = 3_600;

        private final Map<String, Long> verbs = new TreeMap<>();
        /** When requests came, since it was begun. */
        private final Map<String, Latencies> arrivals = new TreeMap<>();

        private final long[] requestsIn = new long[SECONDS];
        private final long[] bytesIn = new long[SECONDS];
        private long since = System.nanoTime();
        private long requests;
        private long received;
        private long sent;
        private long connections;

        synchronized void begin() {
            verbs.clear();
            arrivals.clear();
            Arrays.fill(requestsIn, 0);
            Arrays.fill(bytesIn, 0);
            since = System.nanoTime();
            requests = 0;
            received = 0;
            sent = 0;
            connections = 0;
        }

        private synchronized void connected() {
            connections++;
        }

        private synchronized void answered(String verb, long in, long out) {
            verbs.merge(verb, 1L, Long::sum);
            arrivals.computeIfAbsent(verb, _ -> new Latencies(1)).add(System.nanoTime() - since);
            requests++;
            requestsIn[second()]++;
            received += in;
            bytesIn[second()] += in;
            sent(out);
        }

        private synchronized void sent(long bytes) {
            sent += bytes;
            bytesIn[second()] += bytes;
        }

        private int second() {
            return (int) Math.min(SECONDS - 1L, (System.nanoTime() - since) / 1_000_000_000L);
        }

        synchronized long requests() {
            return requests;
        }

        synchronized long connections() {
            return connections;
        }

        /** By kind of request. */
        synchronized Map<String, Latencies> arrivals() {
            return new TreeMap<>(arrivals);
        }

        synchronized String describe() {
            StringBuilder text = new StringBuilder().append(requests).append(" (");
            String comma = "";
            for (Map.Entry<String, Long> verb : verbs.entrySet()) {
                text.append(comma).append(verb.getValue()).append(' ').append(verb.getKey());
                comma = ", ";
            }
            return text.append(')').toString();
        }

        synchronized String bytes() {
            return String.format(Locale.ROOT, "%.2f MiB in, %.2f MiB out", received / 1048576.0, sent / 1048576.0);
        }

        synchronized String peak() {
            return String.format(
                    Locale.ROOT,
                    "%d requests, %.2f MiB",
                    Arrays.stream(requestsIn).max().orElse(0),
                    Arrays.stream(bytesIn).max().orElse(0) / 1048576.0);
        }
    }
}
