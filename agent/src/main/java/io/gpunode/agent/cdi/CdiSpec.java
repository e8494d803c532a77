package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.cdi.ContainerEdits.Hook;
import io.gpunode.agent.cdi.ContainerEdits.Mount;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import java.util.ArrayList;
import java.util.List;

/**
 * One CDI specification. It is written in the lowest version of the format that can say it, because readers refuse a file of a version that they
 * do not know: containerd 1.7 and podman 4.3 know 0.5 and nothing newer. The same content gives the same bytes.
 *
 * @param kind {@code vendor/class}
 * @param devices at least one, names unique, none without edits
 * @param common applied once, whichever devices of this specification a container asks for
 */
record CdiSpec(String kind, List<Device> devices, ContainerEdits common) {
    private static final String FIRST_VERSION = "0.3.0";
    /** Device names may begin with a digit, and a node's host path may differ from its path. */
    private static final String HOST_PATHS_AND_DIGITS = "0.5.0";

    /** A device that a container can ask for. */
    record Device(String name, ContainerEdits edits) {}

    CdiSpec {
        devices = List.copyOf(devices);
    }

    /** The qualified names of the devices. */
    List<String> names() {
        List<String> names = new ArrayList<>(devices.size());
        for (Device device : devices) {
            names.add(kind + "=" + device.name());
        }
        return names;
    }

    private String version() {
        for (Device device : devices) {
            if (Character.isDigit(device.name().charAt(0)) || namesHostPaths(device.edits())) {
                return HOST_PATHS_AND_DIGITS;
            }
        }
        return namesHostPaths(common) ? HOST_PATHS_AND_DIGITS : FIRST_VERSION;
    }

    private static boolean namesHostPaths(ContainerEdits edits) {
        for (DeviceNode node : edits.deviceNodes()) {
            if (!node.hostPath().equals(node.path())) {
                return true;
            }
        }
        return false;
    }

    /** The file's text. */
    String json() {
        JsonWriter json = JsonWriter.pretty();
        json.beginObject().member("cdiVersion", version()).member("kind", kind);
        json.name("devices").beginArray();
        for (Device device : devices) {
            json.beginObject().member("name", device.name());
            write(json, device.edits());
            json.endObject();
        }
        json.endArray();
        if (!common.isEmpty()) {
            write(json, common);
        }
        json.endObject();
        return json + "\n";
    }

    private static void write(JsonWriter json, ContainerEdits edits) {
        json.name("containerEdits").beginObject();
        if (!edits.environment().isEmpty()) {
            json.member("env", edits.environment());
        }
        if (!edits.deviceNodes().isEmpty()) {
            json.name("deviceNodes").beginArray();
            for (DeviceNode node : edits.deviceNodes()) {
                write(json, node);
            }
            json.endArray();
        }
        if (!edits.mounts().isEmpty()) {
            json.name("mounts").beginArray();
            for (Mount mount : edits.mounts()) {
                json.beginObject()
                        .member("hostPath", mount.hostPath().toString())
                        .member("containerPath", mount.containerPath().toString())
                        .member("options", mount.options())
                        .endObject();
            }
            json.endArray();
        }
        if (!edits.hooks().isEmpty()) {
            json.name("hooks").beginArray();
            for (Hook hook : edits.hooks()) {
                json.beginObject()
                        .member("hookName", "createContainer")
                        .member("path", hook.path().toString())
                        .member("args", hook.arguments())
                        .member("env", hook.environment())
                        .endObject();
            }
            json.endArray();
        }
        json.endObject();
    }

    private static void write(JsonWriter json, DeviceNode node) {
        json.beginObject().member("path", node.path().toString());
        if (!node.hostPath().equals(node.path())) {
            json.member("hostPath", node.hostPath().toString());
        }
        if (node.device().isPresent()) {
            CharacterDevice device = node.device().get();
            json.member("type", "c")
                    .member("major", device.major())
                    .member("minor", device.minor())
                    .member("fileMode", device.mode());
            // Runtimes put the process's own group where none is said.
            if (device.gid() != 0) {
                json.member("gid", device.gid());
            }
        }
        json.endObject();
    }
}
