package io.gpunode.agent.health;

import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.kubernetes.NodeCondition;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Tells the cluster what health finds: an event when a finding appears and one when a device may be used again, and the node's condition. Compares
 * each picture with what it told last, under its own lock: the first on the thread that starts it, all others on the inventory's. Sending is another's
 * and never waited for. After a start, findings that are there are told once.
 */
public final class HealthAnnouncements implements Service {
    /** The node condition's name. */
    public static final String CONDITION = "GpuHealthy";

    private static final int NAMED_IN_CONDITION = 8;
    private static final String WITHHELD = "withheld ";
    /** As sysfs and the findings write it. */
    private static final Pattern PCI_ADDRESS = Pattern.compile("[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]");

    private final SnapshotSource snapshots;
    private final Optional<Consumer<NodeEvent>> events;
    private final Optional<Consumer<NodeCondition.Wish>> condition;
    private final Map<GpuId, Set<String>> told = new HashMap<>();
    private Set<String> toldOfNode = Set.of();
    private long structureVersion = -1;
    private SnapshotSource.Subscription subscription = () -> {};

    /**
     * @param events where they go; empty when they are switched off
     * @param condition where it goes; empty when it is switched off
     */
    public HealthAnnouncements(
            SnapshotSource snapshots,
            Optional<Consumer<NodeEvent>> events,
            Optional<Consumer<NodeCondition.Wish>> condition) {
        this.snapshots = snapshots;
        this.events = events;
        this.condition = condition;
    }

    @Override
    public String name() {
        return "health-announcements";
    }

    @Override
    public void start() {
        if (events.isPresent() || condition.isPresent()) {
            subscription = snapshots.subscribe(name(), this::picture);
            currentPicture();
        }
    }

    @Override
    public void stop(Duration limit) {
        subscription.close();
    }

    /** The next one may be long in coming: without a driver nothing changes. Read under the lock, so that no later one was told before. */
    private synchronized void currentPicture() {
        NodeSnapshot snapshot = snapshots.current();
        // Before the first look nothing is known, not even that there is nothing.
        if (snapshot.version() > 0) {
            picture(snapshot);
        }
    }

    /** Compares a picture with what was told. */
    private synchronized void picture(NodeSnapshot snapshot) {
        if (snapshot.structureVersion() == structureVersion) {
            return;
        }
        structureVersion = snapshot.structureVersion();
        List<Device> devices = devices(snapshot);
        if (events.isPresent()) {
            announceNode(snapshot.findings(), events.get());
            // Without NVML there are no devices, which is not the same as devices without findings.
            if (snapshot.open()) {
                announce(devices, events.get());
            }
        }
        condition.ifPresent(target -> target.accept(wish(snapshot, devices)));
    }

    private void announceNode(List<Finding> findings, Consumer<NodeEvent> target) {
        Set<String> now = new HashSet<>();
        for (Finding finding : findings) {
            String key = key(finding);
            if (now.add(key) && !toldOfNode.contains(key)) {
                target.accept(new NodeEvent(
                        finding.severity().withholds(),
                        finding.severity().withholds() ? "GpuNodeUnhealthy" : "GpuNodeRemark",
                        key,
                        withRepair(new StringBuilder(finding.reason()), finding)));
            }
        }
        toldOfNode = now;
    }

    private void announce(List<Device> devices, Consumer<NodeEvent> target) {
        Set<GpuId> present = new HashSet<>();
        for (Device device : devices) {
            present.add(device.id);
            Map<String, Finding> now = new LinkedHashMap<>();
            for (Finding finding : device.health.all()) {
                now.putIfAbsent(key(finding), finding);
            }
            Set<String> before = told.getOrDefault(device.id, Set.of());
            now.forEach((key, finding) -> {
                if (!before.contains(key)) {
                    target.accept(event(device, finding, key));
                }
            });
            boolean wasWithheld = before.stream().anyMatch(key -> key.startsWith(WITHHELD));
            if (wasWithheld && device.health instanceof GpuHealth.Healthy) {
                target.accept(new NodeEvent(
                        false, "GpuRecovered", device.id.uuid(), device.text + " may be used by containers again"));
            }
            if (now.isEmpty()) {
                told.remove(device.id);
            } else {
                told.put(device.id, now.keySet());
            }
        }
        told.keySet().retainAll(present);
    }

    /**
     * The same for a finding whose count or detail has changed: what stands before the first colon or parenthesis. Findings about the node begin with
     * the device ("NVSwitch 0000:05:00.0: SXid 12028: …"), which belongs to it.
     */
    private static String key(Finding finding) {
        String reason = finding.reason();
        int from = 0;
        Matcher address = PCI_ADDRESS.matcher(reason);
        if (address.find()) {
            int colon = reason.indexOf(": ", address.end());
            from = colon < 0 ? address.end() : colon + 2;
        }
        int end = reason.length();
        for (String mark : List.of(": ", " (")) {
            int at = reason.indexOf(mark, from);
            end = at > 0 && at < end ? at : end;
        }
        return (finding.severity().withholds() ? WITHHELD : "") + finding.check() + " "
                + reason.substring(0, end).strip();
    }

    private static NodeEvent event(Device device, Finding finding, String key) {
        boolean withheld = finding.severity().withholds();
        StringBuilder message = new StringBuilder(device.text)
                .append(withheld ? " is withheld from new containers: " : ": ")
                .append(finding.reason());
        return new NodeEvent(
                withheld,
                withheld ? "GpuUnhealthy" : "GpuRemark",
                device.id.uuid() + " " + key,
                withRepair(message, finding));
    }

    private static String withRepair(StringBuilder message, Finding finding) {
        return finding.repair().isEmpty()
                ? message.toString()
                : message.append(". Repair: ").append(finding.repair()).toString();
    }

    private static NodeCondition.Wish wish(NodeSnapshot snapshot, List<Device> devices) {
        switch (snapshot.nvml()) {
            case NvmlState.Waiting waiting -> {
                return new NodeCondition.Wish(NodeCondition.Status.UNKNOWN, "DriverNotReady", waiting.reason());
            }
            case NvmlState.Withdrawn withdrawn -> {
                return new NodeCondition.Wish(
                        NodeCondition.Status.UNKNOWN, "GpusWithdrawn", "the GPUs are withdrawn: " + withdrawn.reason());
            }
            case NvmlState.Open _ -> {}
        }
        if (devices.isEmpty()) {
            return new NodeCondition.Wish(NodeCondition.Status.UNKNOWN, "NoGpus", "the driver shows no GPU");
        }
        List<String> unhealthy = new ArrayList<>();
        for (Finding finding : snapshot.findings()) {
            if (finding.severity().withholds()) {
                unhealthy.add(withoutCount(finding));
            }
        }
        for (Device device : devices) {
            if (device.health instanceof GpuHealth.Unhealthy) {
                unhealthy.add(device.text + ": " + worst(device.health));
            }
        }
        if (unhealthy.isEmpty()) {
            int gpus = snapshot.gpus().size();
            return new NodeCondition.Wish(
                    NodeCondition.Status.TRUE,
                    "GpusHealthy",
                    gpus == 1 ? "the GPU is healthy" : "all " + gpus + " GPUs are healthy");
        }
        int more = unhealthy.size() - NAMED_IN_CONDITION;
        String named = String.join("; ", unhealthy.subList(0, Math.min(unhealthy.size(), NAMED_IN_CONDITION)));
        return new NodeCondition.Wish(
                NodeCondition.Status.FALSE, "GpuUnhealthy", more > 0 ? named + "; and " + more + " more" : named);
    }

    private static String worst(GpuHealth health) {
        for (Finding finding : health.all()) {
            if (finding.severity().withholds()) {
                return withoutCount(finding);
            }
        }
        return "unhealthy";
    }

    /** The count would make a new condition of each repetition. */
    private static String withoutCount(Finding finding) {
        return finding.reason().replaceAll(" \\([^()]* times(?: or more)?\\)", "");
    }

    private static List<Device> devices(NodeSnapshot snapshot) {
        List<Device> devices = new ArrayList<>();
        for (Gpu gpu : snapshot.gpus()) {
            String place = " (index " + gpu.index() + ", PCI " + gpu.pci() + ")";
            devices.add(new Device(gpu.id(), "GPU " + gpu.id().uuid() + place, gpu.health()));
            for (MigDevice mig : gpu.migDevices()) {
                devices.add(new Device(
                        mig.id(),
                        "MIG device " + mig.id().uuid() + " (" + mig.profile() + " of GPU index " + gpu.index()
                                + ", PCI " + gpu.pci() + ")",
                        mig.health()));
            }
        }
        return devices;
    }

    /** Something that can be given to a container. */
    private record Device(GpuId id, String text, GpuHealth health) {}
}
