package io.gpunode.agent.attribution;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What the kubelet's log directories say of pods and containers, which needs no API server: it names a pod's directory
 * {@code /var/log/pods/<namespace>_<pod>_<uid>} and links each container's log as
 * {@code /var/log/containers/<pod>_<namespace>_<container>-<id>.log}. Read again when something is asked for that is not there or may have
 * changed, and not more often than every ten seconds. For one thread.
 */
public final class KubeletLogs {
    private static final Log LOG = Log.of(KubeletLogs.class);
    private static final Path PODS = Path.of("/var/log/pods");
    private static final Path CONTAINERS = Path.of("/var/log/containers");
    private static final String SUFFIX = ".log";
    private static final int ID_DIGITS = 64;
    private static final Duration SPACING = Duration.ofSeconds(10);
    /** Some hundred bytes each; a node runs some hundred pods. */
    private static final int MOST = 4_096;

    /** A container by its names. */
    public record Container(String namespace, String pod, String name) {}

    /** A pod by its names. */
    public record Pod(String namespace, String name) {}

    private final HostFiles host;
    private final MonotonicClock clock;
    private @Nullable Tick readAt;
    private boolean failed;
    private Map<String, Container> containers = Map.of();
    private Map<String, Pod> pods = Map.of();
    private Map<Pod, String> uids = Map.of();

    /** @param host the host's files */
    public KubeletLogs(HostFiles host, MonotonicClock clock) {
        this.host = host;
        this.clock = clock;
    }

    /** The container of an id. */
    public Optional<Container> container(String id) {
        if (!containers.containsKey(id)) {
            readAgain();
        }
        return Optional.ofNullable(containers.get(id));
    }

    /** The pod of a UID. */
    public Optional<Pod> pod(String uid) {
        if (!pods.containsKey(uid)) {
            readAgain();
        }
        return Optional.ofNullable(pods.get(uid));
    }

    /**
     * The UID of a pod; empty also while the directory of another of the same name, that was deleted, is still there. Unlike the others' answers it
     * changes: a pod may be made anew under its name and get the same devices again.
     */
    Optional<String> uid(String namespace, String pod) {
        readAgain();
        return Optional.ofNullable(uids.get(new Pod(namespace, pod))).filter(uid -> !uid.isEmpty());
    }

    /** Pods have come or gone: the next question reads again, and is not too early for it. */
    void outdated() {
        containers = Map.of();
        pods = Map.of();
        uids = Map.of();
        readAt = null;
    }

    private void readAgain() {
        Tick now = clock.now();
        if (readAt != null && now.since(readAt).compareTo(SPACING) < 0) {
            return;
        }
        readAt = now;
        Map<String, Container> newContainers = new HashMap<>();
        Map<String, Pod> newPods = new HashMap<>();
        Map<Pod, String> newUids = new HashMap<>();
        try {
            for (String file : host.list(CONTAINERS)) {
                if (newContainers.size() < MOST) {
                    addContainer(newContainers, file);
                }
            }
            for (String directory : host.list(PODS)) {
                if (newPods.size() < MOST) {
                    addPod(newPods, newUids, directory);
                }
            }
            failed = false;
        } catch (IOException e) {
            if (!failed) {
                LOG.warn("the kubelet's logs do not tell names of containers", "error", e);
            }
            failed = true;
            return;
        }
        containers = newContainers;
        pods = newPods;
        uids = newUids;
    }

    /** Names of objects have no underscore. */
    private static void addContainer(Map<String, Container> into, String file) {
        int end = file.length() - SUFFIX.length();
        int id = end - ID_DIGITS;
        int first = file.indexOf('_');
        int second = file.indexOf('_', first + 1);
        if (first > 0 && second > first && id - 1 > second && file.endsWith(SUFFIX) && file.charAt(id - 1) == '-') {
            into.put(
                    file.substring(id, end),
                    new Container(
                            file.substring(first + 1, second),
                            file.substring(0, first),
                            file.substring(second + 1, id - 1)));
        }
    }

    private static void addPod(Map<String, Pod> into, Map<Pod, String> uids, String directory) {
        int first = directory.indexOf('_');
        int second = directory.indexOf('_', first + 1);
        if (first > 0 && second > first + 1 && second < directory.length() - 1) {
            Pod pod = new Pod(directory.substring(0, first), directory.substring(first + 1, second));
            String uid = directory.substring(second + 1);
            into.put(uid, pod);
            uids.merge(pod, uid, (_, _) -> "");
        }
    }
}
