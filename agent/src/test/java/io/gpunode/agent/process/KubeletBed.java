package io.gpunode.agent.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A real kubelet with containerd on this machine, driven by the scripts of a test bed: {@code up.sh}, {@code down.sh} and either built
 * binaries in {@code KUBE_DIR} or an archive {@code kubetest-full.tar.xz} beside the scripts. The folder is named by the environment variable
 * {@code KUBELET_BED}; the scripts need root.
 */
final class KubeletBed {
    static final Path DEVICE_PLUGINS = Path.of("/var/lib/kubelet/device-plugins");
    static final Path POD_RESOURCES = Path.of("/var/lib/kubelet/pod-resources/kubelet.sock");

    /** What a full bed's node is called. */
    static final String NODE = "127.0.0.1";

    private static final String HASTY_LOOK = "grep -q \"$1\" \"/proc/$(cat \"$PIDS/$1\")/cmdline\" 2>/dev/null;";

    private static final String PATIENT_LOOK =
            "grep -q '^State:.[^ZX]' \"/proc/$(cat \"$PIDS/$1\")/status\" 2>/dev/null"
                    + " && case $({ tr '\\0' ' ' <\"/proc/$(cat \"$PIDS/$1\")/cmdline\"; } 2>/dev/null) in ''|*\"$1\"*) ;; *) false ;; esac;";

    private final Path folder;

    private KubeletBed(Path folder) {
        this.folder = folder;
    }

    /** Why there is no kubelet to test against, or empty when there is one. */
    static Optional<String> missing() {
        @Nullable String bed = System.getenv("KUBELET_BED");
        if (bed == null || bed.isBlank()) {
            return Optional.of("no real kubelet: set KUBELET_BED to the folder of a test bed (up.sh, down.sh)");
        }
        if (!Files.isExecutable(Path.of(bed, "up.sh"))) {
            return Optional.of("no real kubelet: KUBELET_BED=" + bed + " holds no up.sh");
        }
        if (!"root".equals(System.getProperty("user.name"))) {
            return Optional.of("no real kubelet: its test bed needs root");
        }
        return Optional.empty();
    }

    /** Unpacks what is not built yet and brings containerd and the kubelet up. */
    static KubeletBed up() throws IOException, InterruptedException {
        return up("standalone");
    }

    /** The same with an API server, a scheduler and the controllers: a cluster of one node. */
    static KubeletBed fullCluster() throws IOException, InterruptedException {
        return up("full");
    }

    private static KubeletBed up(String mode) throws IOException, InterruptedException {
        Path scripts = Path.of(Objects.requireNonNull(System.getenv("KUBELET_BED")));
        @Nullable String named = System.getenv("KUBE_DIR");
        Path folder = Path.of(named == null ? System.getProperty("java.io.tmpdir") + "/kubelet-bed" : named);
        KubeletBed bed = new KubeletBed(folder);
        if (!Files.isExecutable(folder.resolve("bin/kubelet"))) {
            Files.createDirectories(folder);
            bed.run(
                    300,
                    List.of(
                            "tar",
                            "-xJf",
                            scripts.resolve("kubetest-full.tar.xz").toString(),
                            "-C",
                            folder.toString()));
        }
        for (String script : List.of("up.sh", "down.sh", "env.sh")) {
            Path copy = folder.resolve("scripts").resolve(script);
            Files.createDirectories(copy.getParent());
            Files.writeString(copy, withPatientLook(Files.readString(scripts.resolve(script))));
            Files.setPosixFilePermissions(copy, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        bed.run(120, List.of(bed.script("down.sh")));
        bed.run(180, List.of(bed.script("up.sh"), mode));
        return bed;
    }

    /**
     * The bed's scripts take a daemon whose command line is empty for one that has ended. That of a living one is empty, too, while the
     * kernel starts a program in it, which on a loaded machine every tenth look meets.
     */
    private static String withPatientLook(String script) {
        return script.replace(HASTY_LOOK, PATIENT_LOOK);
    }

    private String script(String name) {
        return folder.resolve("scripts").resolve(name).toString();
    }

    /** Makes a node's agent use the real kubelet's sockets instead of the embedded one's. */
    static void serve(NodeUnderTest node) throws IOException {
        Files.writeString(
                node.config,
                Files.readString(node.config)
                        .replaceAll("devicePluginDirectory: .*", "devicePluginDirectory: " + DEVICE_PLUGINS)
                        .replaceAll("podResourcesSocket: .*", "podResourcesSocket: " + POD_RESOURCES));
    }

    void restartKubelet() throws IOException, InterruptedException {
        run(120, List.of(script("up.sh"), "restart-kubelet"));
    }

    void stopKubelet() throws IOException, InterruptedException {
        run(120, List.of(script("up.sh"), "stop-kubelet"));
    }

    void startKubelet() throws IOException, InterruptedException {
        run(120, List.of(script("up.sh"), "start-kubelet"));
    }

    /** Ends the processes of all containers at once, as a reboot does. */
    void killContainers() throws IOException, InterruptedException {
        String inBed = "nsenter -m -t $(cat " + folder.resolve("run/pid/containerd") + ") -- "
                + folder.resolve("sdk/usr/bin/ctr") + " -a " + folder.resolve("run/containerd/containerd.sock")
                + " -n k8s.io tasks ";
        run(60, List.of("sh", "-c", "for t in $(" + inBed + "ls -q); do " + inBed + "kill -s 9 $t; done"));
    }

    /** Another user of the API server, from its next start on, and the kubeconfig of that user. */
    Path addUser(String name, String groups) throws IOException {
        Path run = folder.resolve("run");
        String token = "token-of-" + name.replace(':', '-');
        Files.writeString(
                run.resolve("tokens.csv"),
                token + "," + name + "," + name + ",\"" + groups + "\"\n",
                StandardOpenOption.APPEND);
        Path kubeconfig = run.resolve("kubeconfig-" + name.replace(':', '-'));
        Files.writeString(
                kubeconfig,
                Files.readString(run.resolve("kubeconfig")).replaceAll("token: [0-9a-f]+", "token: " + token));
        return kubeconfig;
    }

    /** Kills the API server, does something, and starts it as it was, with NodeRestriction. */
    void restartApiServer(Meanwhile meanwhile) throws Exception {
        Path pid = folder.resolve("run/pid/kube-apiserver");
        ProcessHandle old =
                ProcessHandle.of(Long.parseLong(Files.readString(pid).strip())).orElseThrow();
        List<String> command =
                new ArrayList<>(List.of(Files.readString(Path.of("/proc", Long.toString(old.pid()), "cmdline"))
                        .split("\0")));
        command.removeIf(argument -> argument.startsWith("--enable-admission-plugins"));
        command.add("--enable-admission-plugins=NodeRestriction");
        // Asked to end it would wait a minute for its watches.
        old.destroyForcibly();
        Eventually.within(Duration.ofSeconds(60), () -> old.isAlive() ? "the API server has not ended" : "");
        meanwhile.run();
        Process started = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        folder.resolve("run/log/kube-apiserver.log").toFile()))
                .start();
        Files.writeString(pid, started.pid() + "\n");
        Eventually.within(Duration.ofMinutes(2), () -> {
            try {
                kubectl("get", "--raw", "/readyz");
                return "";
            } catch (IOException e) {
                return String.valueOf(e.getMessage());
            }
        });
    }

    /** What is done while the API server is away. */
    interface Meanwhile {
        void run() throws Exception;
    }

    /** Of a full cluster's administrator. */
    Path kubeconfig() {
        return folder.resolve("run/kubeconfig");
    }

    /** What kubectl prints, of a full cluster. */
    String kubectl(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                folder.resolve("sdk/usr/bin/kubectl").toString(),
                "--kubeconfig",
                kubeconfig().toString()));
        command.addAll(List.of(arguments));
        return run(150, command);
    }

    /** Makes what a YAML text describes. */
    void apply(String yaml) throws IOException, InterruptedException {
        Path file = Files.createTempFile("cluster", ".yaml");
        try {
            Files.writeString(file, yaml);
            kubectl("apply", "-f", file.toString());
        } finally {
            Files.deleteIfExists(file);
        }
    }

    /** What the kubelet's PodResources say, as the bed's own client prints it. */
    String podResources() throws IOException, InterruptedException {
        return run(30, List.of(folder.resolve("bin/dptest").toString(), "podresources"));
    }

    /** Starts a static pod with one container that prints its GPU environment and stays. */
    void startPod(String name, int gpus) throws IOException {
        Path draft = folder.resolve("run/" + name + ".yaml");
        Files.writeString(draft, """
                apiVersion: v1
                kind: Pod
                metadata: {name: %s, namespace: default}
                spec:
                  terminationGracePeriodSeconds: 1
                  hostNetwork: true
                  containers:
                  - name: main
                    image: docker.io/kubetest/busybox:1
                    imagePullPolicy: Never
                    command: [/bin/sh, -c, "echo VISIBLE=$NVIDIA_VISIBLE_DEVICES; trap exit TERM; while :; do sleep 1; done"]
                    resources: {limits: {nvidia.com/gpu: %d}}
                """.formatted(name, gpus));
        Files.move(draft, folder.resolve("run/manifests/" + name + ".yaml"));
    }

    void endPod(String name) throws IOException {
        Files.deleteIfExists(folder.resolve("run/manifests/" + name + ".yaml"));
    }

    /** What the pod's container has printed. The pods' log folder lives in the bed's own mount namespace, bound from the run folder. */
    String podLog(String name) throws IOException {
        Path logs = folder.resolve("run/own-var-log-pods");
        if (!Files.isDirectory(logs)) {
            return "";
        }
        try (var files = Files.walk(logs, 4)) {
            for (Path file : files.filter(path -> path.toString().contains("default_" + name)
                            && path.toString().endsWith(".log"))
                    .toList()) {
                return Files.readString(file);
            }
        }
        return "";
    }

    /** Ends all of it and removes its state. */
    void down() throws IOException, InterruptedException {
        run(120, List.of(script("down.sh")));
    }

    private String run(int seconds, List<String> command) throws IOException, InterruptedException {
        Path log = Files.createTempFile("kubelet-bed", ".log");
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
            builder.environment().put("KUBE_DIR", folder.toString());
            Process process = builder.start();
            if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException(
                        command + " did not end within " + seconds + " s; it said:\n" + Files.readString(log));
            }
            if (process.exitValue() != 0) {
                throw new IOException(
                        command + " ended with " + process.exitValue() + "; it said:\n" + Files.readString(log));
            }
            return Files.readString(log);
        } finally {
            Files.deleteIfExists(log);
        }
    }
}
