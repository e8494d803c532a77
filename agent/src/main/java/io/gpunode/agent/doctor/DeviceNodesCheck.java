package io.gpunode.agent.doctor;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Whether the device nodes are there that containers need, and systemd's way to them. */
final class DeviceNodesCheck implements Check {
    private static final Path GPUS = Path.of("/proc/driver/nvidia/gpus");
    private static final Pattern MINOR = Pattern.compile("Device Minor:\\s*(\\d+)");
    private static final int LIMIT = 1 << 16;

    @Override
    public String name() {
        return "device-nodes";
    }

    @Override
    public String wanted(Patient patient) {
        return "every device node that containers need, with its link in /dev/char";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        HostFiles files = patient.files();
        Path devRoot = patient.config().plugin().devRoot();
        List<Diagnosis> found = new ArrayList<>();
        TreeSet<Integer> minors = new TreeSet<>();
        for (String address : files.list(GPUS)) {
            String text = files.readText(GPUS.resolve(address).resolve("information"), LIMIT)
                    .orElse("");
            Matcher matcher = MINOR.matcher(text);
            if (matcher.find()) {
                minors.add(Integer.valueOf(matcher.group(1)));
            }
        }
        if (minors.isEmpty()) {
            return found;
        }
        List<Path> present = new ArrayList<>();
        List<Path> missing = new ArrayList<>();
        List<Path> wanted = new ArrayList<>(List.of(
                devRoot.resolve("dev/nvidiactl"),
                devRoot.resolve("dev/nvidia-uvm"),
                devRoot.resolve("dev/nvidia-uvm-tools")));
        minors.forEach(minor -> wanted.add(devRoot.resolve("dev/nvidia" + minor)));
        for (Path node : wanted) {
            (files.exists(node) ? present : missing).add(node);
        }
        if (!missing.isEmpty()) {
            StringBuilder command = new StringBuilder("nvidia-modprobe -u -c 0");
            minors.stream()
                    .filter(minor -> minor > 0)
                    .forEach(minor -> command.append(" && nvidia-modprobe -c ").append(minor));
            found.add(Diagnosis.problem(name(), "missing: " + String.join(", ", texts(missing)), command.toString()));
        }
        unlinked(files, present, found);
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(name(), present.size() + " device nodes"));
        }
        return found;
    }

    /** Without {@code /dev/char/major:minor} systemd drops the node from a container's rules at its next daemon-reload. */
    private void unlinked(HostFiles files, List<Path> nodes, List<Diagnosis> found) throws IOException {
        if (!files.exists(Path.of("/run/systemd/system"))) {
            return;
        }
        List<Path> linked = new ArrayList<>();
        for (String link : files.list(Path.of("/dev/char"))) {
            files.realPath(Path.of("/dev/char", link)).ifPresent(linked::add);
        }
        List<Path> without = new ArrayList<>();
        for (Path node : nodes) {
            Path real = files.realPath(node).orElse(node);
            if (!linked.contains(real)) {
                without.add(node);
            }
        }
        if (!without.isEmpty()) {
            found.add(
                    Diagnosis.problem(
                            name(),
                            "no link in /dev/char for " + String.join(", ", texts(without))
                                    + ": running containers lose the GPU at the next systemctl daemon-reload",
                            "systemctl restart gpu-node-agent (it makes them)",
                            "or by hand: for n in /dev/nvidia*; do [ -c $n ] && ln -sf ../${n#/dev/} /dev/char/$(stat -c '%Hr:%Lr' $n); done"));
        }
    }

    private static List<String> texts(List<Path> paths) {
        return paths.stream().map(Path::toString).toList();
    }
}
