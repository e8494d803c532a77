package io.gpunode.agent.attribution;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Containers outside of Kubernetes that use GPUs, from a runtime with Docker's API (Docker, Podman): one list, and one question about each container
 * that was not there before, since what a container was started with does not change. The last good answer is kept. For one thread.
 */
final class RuntimeContainers {
    private static final Log LOG = Log.of(RuntimeContainers.class);
    private static final Duration LIMIT = Duration.ofSeconds(2);
    /** A container takes some two kilobytes of a list; larger answers do not fit the agent's memory. */
    static final int LARGEST_ANSWER_BYTES = 2 << 20;

    private static final int MOST_VALUES = 65_536;
    private static final int MOST_CONTAINERS = 1_024;
    /** Questions about new containers in one round; the rest follow in the next. */
    private static final int MOST_QUESTIONS = 64;

    private static final int LONGEST_NAME_BYTES = 128;
    /** The oldest version that Docker still answers and Podman serves. */
    private static final String LIST = "/v1.40/containers/json";

    private static final String KUBERNETES = "io.kubernetes.pod.uid";
    private static final String VISIBLE = "NVIDIA_VISIBLE_DEVICES=";
    private static final String EVERY = "all";
    private static final Set<String> NONE = Set.of("", "none", "void");
    /** Runtimes that know nothing of that variable: images have it whether or not they are given a GPU. */
    private static final Set<String> PLAIN_RUNTIMES = Set.of("runc", "crun", "io.containerd.runc.v2");

    /** A container and the devices that it was given; {@code all} among them for every one. */
    private record Container(String name, List<String> devices) {}

    private final UnixHttp http;
    private final MonotonicClock clock;
    private final Supplier<String> ownId;
    private @Nullable String own;
    private Map<String, Container> known = Map.of();
    private String problem = "";

    /** @param ownId the id of the agent's own container, which never changes; empty outside of one */
    RuntimeContainers(MonotonicClock clock, Supplier<String> ownId) {
        this.ownId = ownId;
        this.http = new UnixHttp(clock, LARGEST_ANSWER_BYTES);
        this.clock = clock;
    }

    /** Asks; what was known stays where there is no answer. */
    void refresh(Path socket) {
        Tick deadline = clock.now().plus(LIMIT);
        String before = problem;
        try {
            known = ask(socket, deadline);
            problem = "";
        } catch (IOException e) {
            problem = "the container runtime's API at " + socket + " does not answer: " + e.getMessage();
            if (before.isEmpty()) {
                LOG.warn("containers outside of Kubernetes are those of the last answer", "error", problem);
            }
        }
        if (problem.isEmpty() && !before.isEmpty()) {
            LOG.info("the container runtime's API answers", "socket", socket);
        }
    }

    /** Why the last answer is not fresh; empty when it is. */
    String problem() {
        return problem;
    }

    /** The name of a container; empty when it is not known. */
    String name(String id) {
        Container container = known.get(id);
        return container == null ? "" : container.name;
    }

    /** The containers of each device, without the agent's own, which is given all of them to look at. */
    Map<String, List<PodUse>> byDevice(List<Gpu> gpus) {
        Map<String, List<PodUse>> byDevice = new TreeMap<>();
        String agents = own;
        if (agents == null) {
            agents = ownId.get();
            own = agents;
        }
        for (Map.Entry<String, Container> one : known.entrySet()) {
            if (one.getKey().equals(agents)) {
                continue;
            }
            Container container = one.getValue();
            PodUse use = new PodUse("", "", container.name);
            for (String device : container.devices) {
                if (device.equals(EVERY)) {
                    for (Gpu gpu : gpus) {
                        add(byDevice, gpu.id().uuid(), use);
                        for (MigDevice mig : gpu.migDevices()) {
                            add(byDevice, mig.id().uuid(), use);
                        }
                    }
                } else {
                    add(byDevice, device, use);
                }
            }
        }
        return byDevice;
    }

    private static void add(Map<String, List<PodUse>> byDevice, String device, PodUse use) {
        List<PodUse> uses = byDevice.computeIfAbsent(device, _ -> new ArrayList<>(1));
        if (!uses.contains(use)) {
            uses.add(use);
        }
    }

    private Map<String, Container> ask(Path socket, Tick deadline) throws IOException {
        Map<String, Container> found = new TreeMap<>();
        Map<String, String> unknown = new HashMap<>();
        for (JsonValue item : json(http.get(socket, LIST, deadline)).elements()) {
            String id = item.member("Id").textOr("");
            if (found.size() + unknown.size() == MOST_CONTAINERS
                    || !isId(id)
                    || !item.member("Labels").member(KUBERNETES).absent()) {
                continue;
            }
            Container container = known.get(id);
            if (container != null) {
                found.put(id, container);
            } else {
                unknown.put(id, name(item, id));
            }
        }
        int questions = 0;
        for (Map.Entry<String, String> container : unknown.entrySet()) {
            if (++questions > MOST_QUESTIONS) {
                break;
            }
            String answer;
            try {
                answer = http.get(socket, "/v1.40/containers/" + container.getKey() + "/json", deadline);
            } catch (IOException e) {
                if (!deadline.since(clock.now()).isPositive()) {
                    throw e;
                }
                // It ended in between.
                continue;
            }
            found.put(container.getKey(), new Container(container.getValue(), devices(json(answer))));
        }
        return found;
    }

    static JsonValue json(String text) throws IOException {
        try {
            return JsonValue.parse(text, MOST_VALUES);
        } catch (JsonException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static String name(JsonValue item, String id) {
        for (JsonValue name : item.member("Names").elements()) {
            String text = name.textOr("");
            text = text.startsWith("/") ? text.substring(1) : text;
            if (!text.isEmpty()) {
                return shortened(text);
            }
        }
        return id.substring(0, 12);
    }

    /** As many whole characters as fit. */
    private static String shortened(String name) {
        int length = name.length();
        while (name.substring(0, length).getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME_BYTES) {
            length = name.offsetByCodePoints(length, -1);
        }
        return name.substring(0, length);
    }

    private static boolean isId(String id) {
        for (int i = 0; i < id.length(); i++) {
            char c = id.charAt(i);
            if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
                return false;
            }
        }
        return id.length() == 64;
    }

    /** What it asked the runtime for; where it did not, what the runtime's hook was told by the environment. */
    static List<String> devices(JsonValue container) {
        Set<String> devices = new LinkedHashSet<>();
        JsonValue host = container.member("HostConfig");
        for (JsonValue request : host.member("DeviceRequests").elements()) {
            if (isForGpus(request)) {
                for (JsonValue id : request.member("DeviceIDs").elements()) {
                    devices.add(id.textOr(""));
                }
                long count = request.member("Count").wholeNumber().orElse(0);
                if (request.member("DeviceIDs").elements().isEmpty()) {
                    // That many, from the first on; -1 for all.
                    for (int i = 0; i < Math.min(count, 64); i++) {
                        devices.add(String.valueOf(i));
                    }
                    if (count < 0) {
                        devices.add(EVERY);
                    }
                }
            }
        }
        if (devices.isEmpty() && !PLAIN_RUNTIMES.contains(host.member("Runtime").textOr(""))) {
            for (JsonValue variable : container.member("Config").member("Env").elements()) {
                String text = variable.textOr("");
                if (text.startsWith(VISIBLE)) {
                    devices = new LinkedHashSet<>(
                            List.of(text.substring(VISIBLE.length()).split(",", -1)));
                }
            }
        }
        List<String> given = new ArrayList<>();
        for (String device : devices) {
            String stripped = device.strip();
            if (!NONE.contains(stripped)) {
                given.add(stripped.endsWith("=" + EVERY) ? EVERY : stripped);
            }
        }
        return given;
    }

    private static boolean isForGpus(JsonValue request) {
        String driver = request.member("Driver").textOr("");
        if (driver.equals("nvidia") || driver.equals("cdi")) {
            return true;
        }
        for (JsonValue all : request.member("Capabilities").elements()) {
            for (JsonValue capability : all.elements()) {
                if (capability.textOr("").equals("gpu")) {
                    return true;
                }
            }
        }
        return false;
    }
}
