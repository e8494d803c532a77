package io.gpunode.agent.driver;

/**
 * Where a process belongs: a pod's container, a container outside of Kubernetes, or a unit of systemd. What is not known is empty.
 *
 * @param unit systemd's unit or scope, such as {@code dcgm.service}
 * @param namespace the pod's
 * @param pod its name; empty while only its UID is known
 * @param container the container's name in the pod
 * @param podUid the pod's UID as the kubelet writes it
 * @param containerId 64 hexadecimal digits
 */
public record HolderPlace(
        String unit, String namespace, String pod, String container, String podUid, String containerId) {
    /** Nothing is known. */
    public static final HolderPlace UNKNOWN = new HolderPlace("", "", "", "", "", "");

    private static final int SHORT_ID = 12;

    /** A unit of the host. */
    public static HolderPlace ofUnit(String unit) {
        return new HolderPlace(unit, "", "", "", "", "");
    }

    /** Whether it is a pod of Kubernetes. */
    public boolean isPod() {
        return !podUid.isEmpty();
    }

    /** For people: {@code namespace/pod/container}, the ids as far as no names are known, or the unit; {@code -} for nothing. */
    public String text() {
        if (!pod.isEmpty()) {
            return namespace + "/" + pod + (container.isEmpty() ? "" : "/" + container);
        }
        if (!podUid.isEmpty()) {
            return "pod " + podUid;
        }
        if (!containerId.isEmpty()) {
            return "container " + containerId.substring(0, Math.min(SHORT_ID, containerId.length()));
        }
        return unit.isEmpty() ? "-" : unit;
    }
}
