package io.gpunode.agent.attribution;

/**
 * Whose processes are on a GPU. Names that are not known are empty.
 *
 * @param namespace of the pod
 * @param pod its name
 * @param container its name; the first twelve digits of its id where the name is not known
 * @param podUid as the kubelet calls the pod
 */
public record GpuUser(Kind kind, String namespace, String pod, String container, String podUid) {
    /** Processes of the host, in no container. */
    public static final GpuUser HOST = new GpuUser(Kind.HOST, "", "", "", "");

    /** Processes that were gone, or another had their id, before it could be seen whose they were. */
    public static final GpuUser UNKNOWN = new GpuUser(Kind.UNKNOWN, "", "", "", "");

    /** What it is. */
    public enum Kind {
        POD("pod"),
        CONTAINER("container"),
        HOST("host"),
        UNKNOWN("unknown");

        private final String text;

        Kind(String text) {
            this.text = text;
        }

        /** One lower-case word. */
        public String text() {
            return text;
        }
    }
}
