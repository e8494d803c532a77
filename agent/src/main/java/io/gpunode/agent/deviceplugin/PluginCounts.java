package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.meters.Meters;
import io.grpc.Status;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What becomes of a resource: its calls and registrations are counted, for {@code status} and for the agent's own metrics, and what keeps pods from
 * getting it is told on. Outlives the servers. Thread-safe.
 */
final class PluginCounts {
    /** The calls that are counted and timed. */
    enum Method {
        GET_DEVICE_PLUGIN_OPTIONS("GetDevicePluginOptions"),
        LIST_AND_WATCH("ListAndWatch"),
        GET_PREFERRED_ALLOCATION("GetPreferredAllocation"),
        ALLOCATE("Allocate"),
        PRE_START_CONTAINER("PreStartContainer");

        private final String label;

        Method(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }
    }

    private static final String REQUESTS = "gpu_node_agent_device_plugin_requests";
    private static final String REQUESTS_HELP =
            "Calls of the kubelet to the device plugin, by gRPC method and status code.";
    private static final String REGISTRATIONS = "gpu_node_agent_device_plugin_registrations";
    private static final String REGISTRATIONS_HELP = "Registrations with the kubelet, by result.";

    private final String resource;
    private final AllocationTroubles troubles;
    private final MethodMeters[] methods = new MethodMeters[Method.values().length];
    private final Meters.Counter lists;
    private final Meters.Counter registered;
    private final Meters.Counter refused;
    private final AtomicLong allocations = new AtomicLong();
    private final AtomicLong refusedAllocations = new AtomicLong();
    private final AtomicLong listsSent = new AtomicLong();
    private final AtomicLong streamsOpened = new AtomicLong();
    private final AtomicLong registrations = new AtomicLong();
    private final AtomicLong failedRegistrations = new AtomicLong();
    private String toldUnserved = "";

    PluginCounts(Meters meters, String resource, AllocationTroubles troubles) {
        this.resource = resource;
        this.troubles = troubles;
        for (Method method : Method.values()) {
            methods[method.ordinal()] = new MethodMeters(meters, resource, method.label);
        }
        this.lists = meters.counter(
                "gpu_node_agent_device_plugin_lists_sent", "Device lists sent to the kubelet.", "resource", resource);
        this.registered =
                meters.counter(REGISTRATIONS, REGISTRATIONS_HELP, "resource", resource, "result", "registered");
        this.refused = meters.counter(REGISTRATIONS, REGISTRATIONS_HELP, "resource", resource, "result", "failed");
    }

    void call(Method method, Status.Code code, long nanos) {
        methods[method.ordinal()].record(code, nanos);
        if (method == Method.ALLOCATE) {
            (code == Status.Code.OK ? allocations : refusedAllocations).incrementAndGet();
        }
    }

    void listSent() {
        lists.increment();
        listsSent.incrementAndGet();
    }

    void streamOpened() {
        streamsOpened.incrementAndGet();
    }

    /** Only the registration loop. */
    void registered() {
        registered.increment();
        registrations.incrementAndGet();
        if (!toldUnserved.isEmpty()) {
            toldUnserved = "";
            troubles.served(resource);
        }
    }

    /** It has not been registered for a while. Only the registration loop. */
    void unserved(String why) {
        if (!why.equals(toldUnserved)) {
            toldUnserved = why;
            troubles.unserved(resource, why);
        }
    }

    /** The kubelet was told why it gets no devices for a pod. */
    void refusedAllocation(String why) {
        troubles.refused(resource, why);
    }

    void registrationFailed() {
        refused.increment();
        failedRegistrations.incrementAndGet();
    }

    long allocations() {
        return allocations.get();
    }

    long refusedAllocations() {
        return refusedAllocations.get();
    }

    long listsSent() {
        return listsSent.get();
    }

    long streamsOpened() {
        return streamsOpened.get();
    }

    long registrations() {
        return registrations.get();
    }

    long failedRegistrations() {
        return failedRegistrations.get();
    }

    /** One method's meters. A status code gets its counter when it is first seen: most never are. */
    private static final class MethodMeters {
        private final Meters meters;
        private final String resource;
        private final String method;
        private final Meters.Timer duration;
        private final Map<Status.Code, Meters.Counter> requests = new EnumMap<>(Status.Code.class);

        MethodMeters(Meters meters, String resource, String method) {
            this.meters = meters;
            this.resource = resource;
            this.method = method;
            this.duration = meters.timer(
                    "gpu_node_agent_device_plugin_request_seconds",
                    "How long calls of the kubelet to the device plugin took, by gRPC method.",
                    "resource",
                    resource,
                    "method",
                    method);
        }

        void record(Status.Code code, long nanos) {
            requests(code).increment();
            duration.record(nanos);
        }

        private synchronized Meters.Counter requests(Status.Code code) {
            return requests.computeIfAbsent(
                    code,
                    _ -> meters.counter(
                            REQUESTS, REQUESTS_HELP, "resource", resource, "method", method, "code", code.name()));
        }
    }
}
