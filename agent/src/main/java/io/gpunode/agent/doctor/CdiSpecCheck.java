package io.gpunode.agent.doctor;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads the CDI specifications as a container runtime would: what it could not resolve, and what would fail a container's start. */
final class CdiSpecCheck implements Check {
    private static final String KIND = "k8s.device-plugin.nvidia.com/gpu";
    private static final int LIMIT = 8 << 20;
    private static final int MOST_SHOWN = 5;

    @Override
    public String name() {
        return "cdi";
    }

    @Override
    public String wanted(Patient patient) {
        return "CDI specifications that can be resolved";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        if (!patient.cdi()) {
            return List.of();
        }
        HostFiles files = patient.files();
        List<Diagnosis> found = new ArrayList<>();
        Map<String, Path> owners = new LinkedHashMap<>();
        List<Path> directories = new ArrayList<>(List.of(Path.of("/etc/cdi")));
        if (!directories.contains(patient.cdiDirectory())) {
            directories.add(patient.cdiDirectory());
        }
        for (Path directory : directories) {
            for (String file : files.list(directory)) {
                if (file.endsWith(".json") || file.endsWith(".yaml")) {
                    read(files, directory.resolve(file), owners, found);
                }
            }
        }
        if (owners.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    "no file in " + patient.cdiDirectory() + " describes devices of " + KIND,
                    "systemctl start gpu-node-agent",
                    "gpu-node-agent status"));
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(name(), owners.size() + " devices of " + KIND + " can be resolved"));
        }
        return found;
    }

    private void read(HostFiles files, Path file, Map<String, Path> owners, List<Diagnosis> found) throws IOException {
        String text = files.readText(file, LIMIT).orElse("");
        if (!text.contains(KIND)) {
            return;
        }
        if (file.toString().endsWith(".yaml")) {
            found.add(Diagnosis.problem(
                    name(),
                    file + " describes devices of " + KIND
                            + ", which the agent describes in a file of its own: names that both have"
                            + " cannot be resolved",
                    "rm " + file));
            return;
        }
        JsonValue spec;
        try {
            spec = JsonValue.parse(text);
        } catch (JsonException e) {
            found.add(Diagnosis.problem(
                    name(),
                    file + " is not JSON: " + e.getMessage(),
                    "rm " + file,
                    "systemctl restart gpu-node-agent"));
            return;
        }
        if (!spec.member("kind").textOr("").equals(KIND)) {
            return;
        }
        List<String> missing = new ArrayList<>();
        missing(files, spec.member("containerEdits"), missing);
        for (JsonValue device : spec.member("devices").elements()) {
            String deviceName = device.member("name").textOr("");
            Path other = owners.putIfAbsent(deviceName, file);
            if (other != null) {
                found.add(Diagnosis.problem(
                        name(),
                        other + " and " + file + " both describe " + KIND + "=" + deviceName
                                + ": it cannot be resolved",
                        "rm the one that the agent has not written (its own: gpu-node-agent status --output json)"));
            }
            missing(files, device.member("containerEdits"), missing);
        }
        if (!missing.isEmpty()) {
            found.add(Diagnosis.problem(
                    name(),
                    file + " names what is not there, so containers cannot start: "
                            + String.join(", ", missing.subList(0, Math.min(MOST_SHOWN, missing.size())))
                            + (missing.size() > MOST_SHOWN ? " and " + (missing.size() - MOST_SHOWN) + " more" : ""),
                    "systemctl restart gpu-node-agent (it writes the file anew)"));
        }
    }

    private static void missing(HostFiles files, JsonValue edits, List<String> missing) {
        for (JsonValue mount : edits.member("mounts").elements()) {
            absent(files, mount.member("hostPath").textOr(""), missing);
        }
        for (JsonValue node : edits.member("deviceNodes").elements()) {
            absent(files, node.member("hostPath").textOr(node.member("path").textOr("")), missing);
        }
    }

    private static void absent(HostFiles files, String path, List<String> missing) {
        if (path.startsWith("/") && !path.contains("..") && !files.exists(Path.of(path)) && !missing.contains(path)) {
            missing.add(path);
        }
    }
}
