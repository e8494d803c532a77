package io.gpunode.agent.os;

/**
 * The container that a process is in, as {@code /proc/<pid>/cgroup} names it. Reads the forms of both versions of control groups and of both cgroup
 * drivers of the kubelet (systemd's slices and plain directories), for containerd, CRI-O, Docker and Podman, also where the whole node is a container
 * itself (kind) or the reader is in a cgroup namespace of its own, whose paths begin with {@code /../}.
 *
 * @param podUid the pod's UID with hyphens, or 32 hexadecimal digits for a static pod, as the kubelet calls it; empty outside of a pod
 * @param containerId 64 hexadecimal digits; empty when the process is in the pod's group and in no container's
 */
public record ContainerCgroup(String podUid, String containerId) {
    /** No container: a process of the host. */
    public static final ContainerCgroup NONE = new ContainerCgroup("", "");

    private static final int ID_DIGITS = 64;
    private static final int STATIC_UID_DIGITS = 32;
    private static final int UID_LENGTH = 36;
    private static final String POD = "pod";
    private static final String SLICE = ".slice";
    private static final String SCOPE = ".scope";
    /** Its monitor of a container is none of the container's processes. */
    private static final String MONITOR = "conmon-";

    /** Whether it is a container's process. */
    public boolean isContainer() {
        return !podUid.isEmpty() || !containerId.isEmpty();
    }

    /**
     * Reads the file's text: with version 1 a line for each hierarchy, with version 2 one line {@code 0::/path}, with both all of them. The line that
     * says most counts; lines that are none are passed over.
     */
    public static ContainerCgroup of(String text) {
        ContainerCgroup best = NONE;
        int at = 0;
        while (at < text.length()) {
            int end = text.indexOf('\n', at);
            end = end < 0 ? text.length() : end;
            int first = text.indexOf(':', at);
            int second = first < 0 ? -1 : text.indexOf(':', first + 1);
            if (second >= 0 && second < end) {
                ContainerCgroup found = ofPath(text.substring(second + 1, end));
                best = found.weight() > best.weight() ? found : best;
            }
            at = end + 1;
        }
        return best;
    }

    private int weight() {
        return (podUid.isEmpty() ? 0 : 2) + (containerId.isEmpty() ? 0 : 1);
    }

    /** The innermost pod counts, and in it the outermost container: what a container runs in containers of its own is still its. */
    private static ContainerCgroup ofPath(String path) {
        String pod = "";
        String container = "";
        int at = 0;
        while (at < path.length()) {
            int end = at;
            // containerd without systemd's driver under a kubelet with it: slice:cri-containerd:id in one name.
            while (end < path.length() && path.charAt(end) != '/' && path.charAt(end) != ':') {
                end++;
            }
            String name = path.substring(at, end);
            String uid = podUid(name);
            if (!uid.isEmpty()) {
                pod = uid;
                container = "";
            } else if (container.isEmpty()) {
                container = containerId(name);
            }
            at = end + 1;
        }
        return pod.isEmpty() && container.isEmpty() ? NONE : new ContainerCgroup(pod, container);
    }

    /** {@code pod<uid>}, or {@code kubepods-burstable-pod<uid>.slice} with underscores, whatever the slices above it are called. */
    private static String podUid(String name) {
        int end = name.endsWith(SLICE) ? name.length() - SLICE.length() : name.length();
        for (int length : new int[] {UID_LENGTH, STATIC_UID_DIGITS}) {
            int start = end - length;
            int prefix = start - POD.length();
            if (prefix >= 0
                    && name.startsWith(POD, prefix)
                    && (prefix == 0 || name.charAt(prefix - 1) == '-')
                    && isUid(name, start, end)) {
                return name.substring(start, end).replace('_', '-');
            }
        }
        return "";
    }

    private static boolean isUid(String name, int start, int end) {
        for (int i = start; i < end; i++) {
            int place = i - start;
            boolean hyphen = end - start == UID_LENGTH && (place == 8 || place == 13 || place == 18 || place == 23);
            char c = name.charAt(i);
            if (hyphen ? c != '-' && c != '_' : !isHexadecimal(c)) {
                return false;
            }
        }
        return true;
    }

    /** {@code <id>}, or {@code cri-containerd-<id>.scope} and the like. */
    private static String containerId(String name) {
        int end = name.endsWith(SCOPE) ? name.length() - SCOPE.length() : name.length();
        int start = end - ID_DIGITS;
        if (start < 0
                || (start > 0 && name.charAt(start - 1) != '-')
                || name.startsWith(MONITOR, start - MONITOR.length())) {
            return "";
        }
        for (int i = start; i < end; i++) {
            if (!isHexadecimal(name.charAt(i))) {
                return "";
            }
        }
        return name.substring(start, end);
    }

    private static boolean isHexadecimal(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
}
