package io.gpunode.agent.cdi;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The rules by which readers of CDI specifications take or refuse a file, written from the format's specification and from what the readers' library
 * checks; it knows nothing of how this agent writes one. Beside the rules: the declared version is the lowest that has all that is used.
 */
final class CdiRules {
    private static final Set<String> STAGES =
            Set.of("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop");

    private final List<String> violations = new ArrayList<>();
    private int needed = 3;

    private CdiRules() {}

    /** What is wrong with a file; empty when every reader of the declared version takes it. */
    static List<String> violations(String text) {
        CdiRules rules = new CdiRules();
        try {
            rules.check(JsonValue.parse(text));
        } catch (JsonException e) {
            rules.violations.add(e.getMessage());
        }
        return rules.violations;
    }

    private void check(JsonValue spec) {
        keys("spec", spec, Set.of("cdiVersion", "kind", "annotations", "devices", "containerEdits"));
        kind(spec.member("kind").textOr(""));
        Set<String> names = new HashSet<>();
        for (JsonValue device : spec.member("devices").elements()) {
            keys("device", device, Set.of("name", "annotations", "containerEdits"));
            String name = device.member("name").textOr("");
            expect(names.add(name), "device " + name + " is named twice");
            expect(
                    name.matches("[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?"),
                    "\"" + name + "\" is no name of a device");
            if (!name.isEmpty() && Character.isDigit(name.charAt(0))) {
                needed = Math.max(needed, 5);
            }
            JsonValue edits = device.member("containerEdits");
            expect(!edits.members().isEmpty(), "device " + name + " has no edits");
            edits(edits);
        }
        expect(!names.isEmpty(), "no devices");
        edits(spec.member("containerEdits"));
        expect(
                spec.member("cdiVersion").textOr("").equals("0." + needed + ".0"),
                "version " + spec.member("cdiVersion").textOr("none") + " is declared, 0." + needed + ".0 is used");
    }

    private void kind(String kind) {
        String[] parts = kind.split("/", -1);
        expect(parts.length == 2, "\"" + kind + "\" is not vendor/class");
        for (String part : parts) {
            expect(part.matches("[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?"), "\"" + part + "\" is no vendor or class");
        }
        if (parts[parts.length - 1].contains(".")) {
            needed = Math.max(needed, 6);
        }
    }

    private void edits(JsonValue edits) {
        keys(
                "containerEdits",
                edits,
                Set.of("env", "deviceNodes", "mounts", "hooks", "intelRdt", "additionalGids", "netDevices"));
        for (String newer : List.of("intelRdt", "additionalGids")) {
            if (!edits.member(newer).absent()) {
                needed = Math.max(needed, 7);
            }
        }
        environment(edits.member("env"));
        Set<String> nodes = new HashSet<>();
        for (JsonValue node : edits.member("deviceNodes").elements()) {
            node(node);
            expect(
                    nodes.add(node.member("path").textOr("")),
                    "two nodes at " + node.member("path").textOr(""));
        }
        Set<String> mounts = new HashSet<>();
        for (JsonValue mount : edits.member("mounts").elements()) {
            mount(mount);
            expect(
                    mounts.add(mount.member("containerPath").textOr("")),
                    "two mounts at " + mount.member("containerPath").textOr(""));
        }
        for (JsonValue hook : edits.member("hooks").elements()) {
            hook(hook);
        }
    }

    private void node(JsonValue node) {
        keys(
                "deviceNode",
                node,
                Set.of("path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"));
        absolute(node, "path");
        if (!node.member("hostPath").absent()) {
            needed = Math.max(needed, 5);
            absolute(node, "hostPath");
        }
        expect(Set.of("", "b", "c", "u", "p").contains(node.member("type").textOr("")), "an unknown type of node");
        expect(node.member("permissions").textOr("").matches("[rwm]*"), "unknown permissions");
        for (String number : List.of("major", "minor", "fileMode", "uid", "gid")) {
            JsonValue value = node.member(number);
            expect(value.absent() || value.wholeNumber().orElse(-1) >>> 32 == 0, number + " is no number");
        }
        expect(node.member("fileMode").wholeNumber().orElse(0) <= 0777, "fileMode has more than permissions");
    }

    private void mount(JsonValue mount) {
        keys("mount", mount, Set.of("hostPath", "containerPath", "options", "type"));
        absolute(mount, "hostPath");
        absolute(mount, "containerPath");
        if (!mount.member("type").absent()) {
            needed = Math.max(needed, 4);
        }
    }

    private void hook(JsonValue hook) {
        keys("hook", hook, Set.of("hookName", "path", "args", "env", "timeout"));
        expect(STAGES.contains(hook.member("hookName").textOr("")), "an unknown stage of a hook");
        absolute(hook, "path");
        expect(!hook.member("args").elements().isEmpty(), "a hook without its own name as its first argument");
        environment(hook.member("env"));
    }

    private void environment(JsonValue environment) {
        for (JsonValue variable : environment.elements()) {
            expect(variable.textOr("").indexOf('=') > 0, "\"" + variable.textOr("") + "\" is no NAME=value");
        }
    }

    private void absolute(JsonValue value, String key) {
        String path = value.member(key).textOr("");
        expect(path.startsWith("/") && !path.contains("/../"), key + " \"" + path + "\" is no absolute path");
    }

    private void keys(String what, JsonValue value, Set<String> known) {
        for (Map.Entry<String, JsonValue> member : value.members().entrySet()) {
            expect(known.contains(member.getKey()), what + " has an unknown key " + member.getKey());
        }
    }

    private void expect(boolean rule, String violation) {
        if (!rule) {
            violations.add(violation);
        }
    }
}
