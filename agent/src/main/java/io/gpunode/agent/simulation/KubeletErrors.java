package io.gpunode.agent.simulation;

import io.gpunode.pluginregistration.v1.PluginInfo;
import io.grpc.Status;
import java.util.Locale;
import java.util.regex.Pattern;

/** The kubelet's checks of a registration, and its error texts. */
final class KubeletErrors {
    static final String API_VERSION = "v1beta1";

    private static final String LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    private static final Pattern DOMAIN = Pattern.compile(LABEL + "(\\." + LABEL + ")*");
    private static final Pattern NAME = Pattern.compile("([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]");
    private static final String QUOTA_PREFIX = "requests.";
    private static final int LONGEST_DOMAIN = 253;
    private static final int LONGEST_NAME = 63;

    private KubeletErrors() {}

    /** Why the kubelet refuses to register this; empty when it does not. */
    static String refusal(String version, String resource) {
        if (!version.equals(API_VERSION)) {
            return "requested API version " + quoted(version) + " is not supported by kubelet. Supported version is [\""
                    + API_VERSION + "\"]";
        }
        return isExtendedResourceName(resource) ? "" : "the ResourceName " + quoted(resource) + " is invalid";
    }

    /** Why the kubelet refuses a plugin that it has found; empty when it does not. */
    static String refusal(PluginInfo info) {
        if (!info.getSupportedVersionsList().contains(API_VERSION)) {
            return "manager version, " + API_VERSION + ", is not among plugin supported versions "
                    + info.getSupportedVersionsList();
        }
        return isExtendedResourceName(info.getName())
                ? ""
                : "invalid name of device plugin socket: the ResourceName " + quoted(info.getName()) + " is invalid";
    }

    /** Kubernetes' {@code IsExtendedResourceName}: a foreign domain, and still a qualified name as a quota's name. */
    static boolean isExtendedResourceName(String name) {
        int slash = name.indexOf('/');
        if (slash < 0 || name.contains("kubernetes.io/") || name.startsWith(QUOTA_PREFIX)) {
            return false;
        }
        String domain = QUOTA_PREFIX + name.substring(0, slash);
        String local = name.substring(slash + 1);
        return domain.length() <= LONGEST_DOMAIN
                && DOMAIN.matcher(domain).matches()
                && local.length() <= LONGEST_NAME
                && NAME.matcher(local).matches();
    }

    /** A resource that never registered. */
    static String unregistered(String resource) {
        return "cannot allocate unregistered device " + resource;
    }

    /** A resource without a healthy device, in use or not. */
    static String noHealthyDevices(String resource) {
        return "no healthy devices present; cannot allocate unhealthy devices " + resource;
    }

    /** The message of a pod that an error kept from being admitted. */
    static String admissionFailed(String error) {
        return "Pod Allocate failed due to " + error + ", which is unexpected";
    }

    /** A status in the words of gRPC's Go implementation. */
    static String rpcError(Status status) {
        String description = status.getDescription();
        return "rpc error: code = " + goName(status.getCode()) + " desc = " + (description == null ? "" : description);
    }

    private static String goName(Status.Code code) {
        if (code == Status.Code.CANCELLED) {
            return "Canceled";
        }
        StringBuilder name = new StringBuilder();
        for (String word : code.name().split("_", -1)) {
            name.append(word.charAt(0)).append(word.substring(1).toLowerCase(Locale.ROOT));
        }
        return name.toString();
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
