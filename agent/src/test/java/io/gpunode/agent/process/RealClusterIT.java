package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The packaged agent in a real cluster of one node: API server, scheduler, controllers, kubelet and containerd; see {@link KubeletBed} for what
 * it needs. {@code KUBELET_CHURN} names how many pods come and go; a few unless it is set.
 */
@Timeout(600)
class RealClusterIT {
    private static final Duration SOON = Duration.ofSeconds(90);
    private static final int FEW_PODS = 16;
    private static final String GPU = "nvidia.com/gpu";

    private static @Nullable KubeletBed cluster;

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    @BeforeAll
    static void up() throws Exception {
        Optional<String> missing = KubeletBed.missing();
        assumeTrue(missing.isEmpty(), missing.orElse(""));
        cluster = KubeletBed.fullCluster();
    }

    @AfterAll
    static void down() throws Exception {
        if (cluster != null) {
            cluster.down();
        }
    }

    @AfterEach
    void emptyTheCluster() throws Exception {
        KubeletBed bed = cluster();
        bed.kubectl("delete", "deployments,jobs,pods", "--all", "--grace-period=1", "--timeout=120s");
        awaitNoDeviceInUse(bed);
    }

    private static KubeletBed cluster() {
        return Objects.requireNonNull(cluster);
    }

    private NodeUnderTest node(String profile, UnaryOperator<String> settings) throws IOException {
        NodeUnderTest node = new NodeUnderTest(folder, profile);
        KubeletBed.serve(node);
        Files.writeString(node.config, settings.apply(Files.readString(node.config)));
        return node;
    }

    @Test
    void deploymentsGetGpusAndMigSlicesAndResourcesFollowTheLayout() throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node =
                        node("8xa100-80gb-mig", text -> text.replace("flags:", "flags:\n  migStrategy: mixed"));
                AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitAllocatable(bed, GPU, 1);
            awaitAllocatable(bed, "nvidia.com/mig-1g.10gb", 32);
            awaitAllocatable(bed, "nvidia.com/mig-7g.80gb", 1);
            bed.apply(deployment("whole", 1, GPU, 1));
            bed.apply(deployment("slices", 3, "nvidia.com/mig-1g.10gb", 2));
            bed.apply(deployment("half", 2, "nvidia.com/mig-3g.40gb", 1));
            awaitReady(bed, "whole", 1);
            awaitReady(bed, "slices", 3);
            awaitReady(bed, "half", 2);
            List<String> slices = visible(bed, "slices");
            assertThat(slices)
                    .hasSize(6)
                    .doesNotHaveDuplicates()
                    .allMatch(id -> id.startsWith("MIG-"))
                    .doesNotContainAnyElementsOf(visible(bed, "half"));
            assertThat(visible(bed, "whole")).containsExactly(node.id(7));

            // When: another program splits a GPU anew
            node.driver.apply("mig gpu=6 destroy=0\nmig gpu=6 profile=4g.40gb\nmig gpu=6 profile=1g.20gb");

            // Then
            awaitAllocatable(bed, "nvidia.com/mig-4g.40gb", 1);
            awaitAllocatable(bed, "nvidia.com/mig-1g.20gb", 1);
            awaitAllocatable(bed, "nvidia.com/mig-7g.80gb", 0);
            assertThat(allocatable(bed, "nvidia.com/mig-1g.10gb")).isEqualTo(32);
            bed.apply(deployment("new", 1, "nvidia.com/mig-4g.40gb", 1));
            awaitReady(bed, "new", 1);
            assertThat(visible(bed, "slices")).containsExactlyInAnyOrderElementsOf(slices);
        }
    }

    @Test
    void theLabelOfTheNodeSplitsItsGpusAndAPodInTheWayIsNamedAndWaitedFor(TestReporter reporter) throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node(
                        "8xa100-80gb-mig",
                        text -> text.replace("flags:", "flags:\n  migStrategy: mixed")
                                        .replace("nodeName: node-under-test", "nodeName: " + KubeletBed.NODE)
                                + "mig:\n  manage: true\nlabels:\n  sink: \"off\"\nkubernetes:\n  kubeconfig: "
                                + bed.kubeconfig() + "\n");
                AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitAllocatable(bed, "nvidia.com/mig-7g.80gb", 1);
            bed.apply(deployment("large", 1, "nvidia.com/mig-7g.80gb", 1));
            awaitReady(bed, "large", 1);

            // When
            bed.kubectl("label", "node", KubeletBed.NODE, "nvidia.com/mig.config=all-1g.10gb", "--overwrite");
            awaitMigState(bed, "failed");
            String events =
                    bed.kubectl("get", "events", "-o", "jsonpath={.items[?(@.reason=='MigLayoutFailed')].message}");
            bed.kubectl("delete", "deployment", "large", "--timeout=60s");
            long began = System.nanoTime();
            awaitMigState(bed, "success");
            awaitAllocatable(bed, "nvidia.com/mig-1g.10gb", 56);
            report(reporter, "milliseconds from the pod's end to 56 new devices allocatable", millisecondsSince(began));

            // Then
            assertThat(events).contains("GPU 6 ", "pod default/large-");
            awaitAllocatable(bed, "nvidia.com/mig-7g.80gb", 0);
            bed.apply(deployment("small", 2, "nvidia.com/mig-1g.10gb", 7));
            awaitReady(bed, "small", 2);
            assertThat(visible(bed, "small")).hasSize(14).doesNotHaveDuplicates();
        } finally {
            bed.kubectl("label", "node", KubeletBed.NODE, "nvidia.com/mig.config-");
        }
    }

    private static void awaitMigState(KubeletBed bed, String wanted) throws Exception {
        Eventually.within(SOON, () -> {
            String now = bed.kubectl(
                    "get", "node", "-o", "jsonpath={.items[0].metadata.labels.nvidia\\.com/mig\\.config\\.state}");
            return now.equals(wanted) ? "" : "the state of MIG is " + now + ", not " + wanted;
        });
    }

    @Test
    void sharesOfGpusAreSpreadOverTheGpus() throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node("8xh100", text -> text + """
                        sharing:
                          timeSlicing:
                            resources:
                            - name: nvidia.com/gpu
                              replicas: 4
                        """);
                AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitAllocatable(bed, GPU, 32);

            // When
            bed.apply(deployment("shared", 8, GPU, 1));
            awaitReady(bed, "shared", 8);

            // Then
            assertThat(visible(bed, "shared"))
                    .hasSize(8)
                    .doesNotHaveDuplicates()
                    .allMatch(id -> id.startsWith("GPU-"));
        }
    }

    @Test
    void aPodIsToldWithItsLabelsAndWhatItsProcessesTake() throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node(
                        "8xh100",
                        text -> text.replace("nodeName: node-under-test", "nodeName: " + KubeletBed.NODE)
                                + "attribution:\n  podLabels: true\n  podUid: true\nlabels:\n  sink: \"off\"\nkubernetes:\n"
                                + "  kubeconfig: " + bed.kubeconfig() + "\n");
                AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitAllocatable(bed, GPU, 8);
            bed.apply(deployment("trains", 1, GPU, 1));
            awaitReady(bed, "trains", 1);
            String uuid = visible(bed, "trains").getFirst();
            String pod = ofPod(bed, "trains", "metadata.name");
            String uid = ofPod(bed, "trains", "metadata.uid");
            String container = ofPod(bed, "trains", "status.containerStatuses[0].containerID");

            // When
            node.driver.apply("process gpu=" + placeOf(node, uuid) + " memory=1000 pid="
                    + processOf(container.substring(container.lastIndexOf('/') + 1)));

            // Then
            String names = "container=\"main\",namespace=\"default\",pod=\"" + pod + "\",pod_uid=\"" + uid + "\"";
            Eventually.within(SOON, () -> {
                List<String> page =
                        AgentProcess.get(address, "/metrics").body().lines().toList();
                boolean labelled = page.stream()
                        .anyMatch(line -> line.startsWith("DCGM_FI_DEV_GPU_TEMP{")
                                && line.contains(uuid)
                                && line.contains(names + ",app=\"trains\""));
                boolean told = page.stream()
                        .anyMatch(line -> line.startsWith("gpu_node_agent_container_memory_used_bytes{")
                                && line.contains(uuid)
                                && line.endsWith("owner=\"pod\"," + names + "} 1.048576e+09"));
                return labelled && told
                        ? ""
                        : "labelled: " + labelled + ", processes told: " + told + ", of\n"
                                + String.join(
                                        "\n",
                                        page.stream()
                                                .filter(line -> (line.contains(uuid) && line.contains("namespace="))
                                                        || line.startsWith("gpu_node_agent_container_m"))
                                                .toList());
            });
        }
    }

    private static int placeOf(NodeUnderTest node, String uuid) {
        int place = 0;
        while (!node.id(place).equals(uuid)) {
            place++;
        }
        return place;
    }

    private static String ofPod(KubeletBed bed, String app, String path) throws Exception {
        return bed.kubectl("get", "pods", "-l", "app=" + app, "-o", "jsonpath={.items[0]." + path + "}");
    }

    /** A process of a container, as the kernel knows it. */
    private static long processOf(String containerId) throws IOException {
        for (ProcessHandle process : ProcessHandle.allProcesses().toList()) {
            Path cgroup = Path.of("/proc", Long.toString(process.pid()), "cgroup");
            try {
                if (Files.readString(cgroup).contains(containerId)) {
                    return process.pid();
                }
            } catch (IOException e) {
                // It has ended.
            }
        }
        throw new AssertionError("no process in the control group of container " + containerId);
    }

    @Test
    void podsComeBackAfterARebootInTheWrongOrder() throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node("8xh100", UnaryOperator.identity())) {
            try (AgentProcess before = node.startAgent()) {
                before.awaitAddress();
                awaitAllocatable(bed, GPU, 8);
                bed.apply(deployment("pairs", 3, GPU, 2));
                awaitReady(bed, "pairs", 3);
                bed.stopKubelet();
                before.kill();
                before.awaitExit(10);
            }
            bed.killContainers();

            // When: the kubelet is there long before the agent, with its checkpoint
            bed.startKubelet();
            Eventually.within(SOON, () -> {
                String ready = bed.kubectl(
                        "get", "node", "-o", "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}");
                return ready.equals("True") ? "" : "the node's readiness is " + ready;
            });
            try (AgentProcess after = node.startAgent()) {
                String address = after.awaitAddress();
                AgentProcess.awaitReady(address, SOON);

                // Then
                awaitAllocatable(bed, GPU, 8);
                awaitReady(bed, "pairs", 3);
                Eventually.within(SOON, () -> {
                    List<String> held = heldDevices(bed);
                    return held.size() == 6 && held.stream().distinct().count() == 6
                            ? ""
                            : "the kubelet has given out " + held;
                });
            }
        }
    }

    @Test
    void anAgentKilledUnderLoadIsBackAtOnce(TestReporter reporter) throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node("8xh100", UnaryOperator.identity())) {
            try (AgentProcess first = node.startAgent()) {
                first.awaitAddress();
                awaitAllocatable(bed, GPU, 8);
                bed.apply(job("load", 24, 6));
                awaitSucceeded(bed, "load", 3);

                // When
                first.kill();
                first.awaitExit(10);
            }
            long began = System.nanoTime();
            try (AgentProcess second = node.startAgent()) {
                AgentProcess.awaitReady(second.awaitAddress(), SOON);
                report(reporter, "milliseconds from start to registered after kill -9", millisecondsSince(began));

                // Then
                awaitAllocatable(bed, GPU, 8);
                report(reporter, "milliseconds from start to allocatable after kill -9", millisecondsSince(began));
                awaitSucceeded(bed, "load", 24);
                report(reporter, "pods that failed meanwhile", failed(bed, "load"));
                bed.kubectl("delete", "job", "load", "--timeout=60s");
                awaitNoDeviceInUse(bed);
            }
        }
    }

    @Test
    void nothingIsLeftOfPodsThatCameAndWent(TestReporter reporter) throws Exception {
        // Given
        KubeletBed bed = cluster();
        @Nullable String churn = System.getenv("KUBELET_CHURN");
        int pods = churn == null ? FEW_PODS : Integer.parseInt(churn);
        try (NodeUnderTest node = node("8xh100", UnaryOperator.identity());
                AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitAllocatable(bed, GPU, 8);
            bed.apply(job("warm", 8, 8));
            awaitSucceeded(bed, "warm", 8);
            double before = agent.proportionalMebibytes();
            long began = System.nanoTime();

            // When
            bed.apply(job("churn", pods, 8));
            awaitSucceeded(bed, "churn", pods);
            double milliseconds = millisecondsSince(began);
            report(reporter, "pods that failed", failed(bed, "churn"));
            bed.kubectl("delete", "jobs", "--all", "--timeout=120s");

            // Then
            awaitNoDeviceInUse(bed);
            awaitAllocatable(bed, GPU, 8);
            double after = agent.proportionalMebibytes();
            report(reporter, "milliseconds for " + pods + " pods", milliseconds);
            report(reporter, "MiB before", before);
            report(reporter, "MiB after", after);
            assertThat(after).isLessThan(before + 12);
            assertThat(AgentProcess.get(address, "/metrics").body()).doesNotContain("pod=\"churn");
            bed.apply(deployment("all", 1, GPU, 8));
            awaitReady(bed, "all", 1);
        }
    }

    @Test
    void aDrainTakesThePodsThatHoldGpusRespectsBudgetsAndIsUndone() throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node("8xh100", UnaryOperator.identity());
                AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitAllocatable(bed, GPU, 8);
            bed.apply(deployment("trains", 2, GPU, 1));
            bed.apply(deployment("serves", 1, GPU, 1));
            bed.apply(deployment("plain", 1, "cpu", 0));
            bed.apply("""
                    apiVersion: policy/v1beta1
                    kind: PodDisruptionBudget
                    metadata: {name: serves}
                    spec: {minAvailable: 1, selector: {matchLabels: {app: serves}}}
                    """);
            awaitReady(bed, "trains", 2);
            awaitReady(bed, "serves", 1);
            awaitReady(bed, "plain", 1);
            String plain = bed.kubectl("get", "pods", "-l", "app=plain", "-o", "name");
            String dryRun = drain(bed, node, 5, "drain", "--dry-run");
            assertThat(dryRun)
                    .contains("would go", "PodDisruptionBudget: ")
                    .contains("node " + KubeletBed.NODE + " could not be drained now: 1 pod would be in the way")
                    .doesNotContain("plain");

            // When: it dies while the budget keeps it waiting
            try (AgentProcess waiting = startDrain(bed, node, "drain")) {
                waiting.awaitLine("waits: PodDisruptionBudget: ", 120);
                waiting.kill();
                waiting.awaitExit(10);
            }
            bed.kubectl("delete", "poddisruptionbudget", "serves");
            String drained = drain(bed, node, 0, "drain");

            // Then
            assertThat(drained)
                    .contains("was cordoned by gpu-node-agent node drain", "is drained: ")
                    .doesNotContain("plain");
            assertThat(bed.kubectl("get", "pods", "-l", "app=plain", "-o", "name"))
                    .isEqualTo(plain);
            awaitNoDeviceInUse(bed);
            // The server's word on whose cordon it is.
            bed.kubectl("uncordon", KubeletBed.NODE);
            bed.kubectl("cordon", KubeletBed.NODE);
            assertThat(drain(bed, node, 1, "uncordon"))
                    .contains(" after the cordon of gpu-node-agent node drain was lifted");
            bed.kubectl("uncordon", KubeletBed.NODE);
            assertThat(drain(bed, node, 0, "uncordon")).contains("takes pods again");
            awaitReady(bed, "trains", 2);
            awaitReady(bed, "serves", 1);
        }
    }

    @Test
    void anUpgradeOfTheDriverTakesItsTurnAndThePodsThatHoldGpusAndIsRefusedWhileABudgetKeepsThem() throws Exception {
        // Given
        KubeletBed bed = cluster();
        try (NodeUnderTest node = node(
                "8xh100",
                text -> text.replace("nodeName: node-under-test", "nodeName: " + KubeletBed.NODE)
                        + """
                                  localSocket: %1$s/http.sock
                                labels: {sink: "off"}
                                kubernetes: {kubeconfig: %2$s}
                                driver:
                                  manage: true
                                  persistenced: "off"
                                  whileInUse: drain
                                  upgrade: {drainLimit: 2s, slots: 1, slotNamespace: default, stateLabel: true}
                                  root: {attach: false}
                                """.formatted(folder, bed.kubeconfig()))) {
            FakeKernel kernel = new FakeKernel(folder, node.driver.profile().driverVersion());
            List<String> run = List.of("run", "--config", node.config.toString());
            try (AgentProcess agent = AgentProcess.start(run, kernel.environment())) {
                bed.apply(deployment("trains", 1, GPU, 1));
                bed.apply(deployment("plain", 1, "cpu", 0));
                bed.apply("""
                        apiVersion: policy/v1beta1
                        kind: PodDisruptionBudget
                        metadata: {name: trains}
                        spec: {minAvailable: 1, selector: {matchLabels: {app: trains}}}
                        """);
                agent.awaitAddress();
                awaitReady(bed, "trains", 1);
                awaitReady(bed, "plain", 1);
                String plain = bed.kubectl("get", "pods", "-l", "app=plain", "-o", "name");
                String container = ofPod(bed, "trains", "status.containerStatuses[0].containerID");
                ProcessHandle training = ProcessHandle.of(
                                processOf(container.substring(container.lastIndexOf('/') + 1)))
                        .orElseThrow();
                kernel.isOfVersion("470.1.1");
                kernel.hold();
                // Its process ends long before the kubelet lets its pod go.
                CompletableFuture<Void> freed = CompletableFuture.runAsync(() -> letGoAfter(training, kernel));

                // When
                String refused = driver(node, kernel, 1, "upgrade");
                String after = upgradeState(bed);
                bed.kubectl("delete", "poddisruptionbudget", "trains");
                Files.writeString(
                        node.config, Files.readString(node.config).replace("drainLimit: 2s", "drainLimit: 2m"));
                agent.awaitLine("setting=driver.upgrade.drainLimit", 60);
                String done = driver(node, kernel, 0, "upgrade");

                // Then
                assertThat(refused).contains("pods stay on the node", "1 pod is in the way");
                assertThat(after).isEqualTo("unschedulable= state=upgrade-required slot=");
                assertThat(done).contains("step withdraw the GPUs", "without a driver for ");
                freed.get(1, TimeUnit.SECONDS);
                assertThat(upgradeState(bed)).isEqualTo("unschedulable= state=upgrade-done slot=");
                assertThat(bed.kubectl("get", "pods", "-l", "app=plain", "-o", "name"))
                        .isEqualTo(plain);
                awaitReady(bed, "trains", 1);
            }
        } finally {
            bed.kubectl("label", "node", KubeletBed.NODE, "nvidia.com/gpu-driver-upgrade-state-");
        }
    }

    private static void letGoAfter(ProcessHandle process, FakeKernel kernel) {
        try {
            Eventually.within(Duration.ofMinutes(5), () -> process.isAlive() ? "process " + process + " lives" : "");
            kernel.letGo();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Whether pods may come, what the label says of the upgrade, and who has the slot. */
    private static String upgradeState(KubeletBed bed) throws Exception {
        return "unschedulable="
                + bed.kubectl(
                        "get",
                        "node",
                        KubeletBed.NODE,
                        "-o",
                        "jsonpath={.spec.unschedulable} state={.metadata.labels.nvidia\\.com/gpu-driver-upgrade-state}")
                + " slot="
                + bed.kubectl(
                        "get", "lease", "gpu-node-agent-driver-upgrade-1", "-o", "jsonpath={.spec.holderIdentity}");
    }

    /** What a command about the driver prints, once it has ended with this status. */
    private static String driver(NodeUnderTest node, FakeKernel kernel, int status, String word) throws Exception {
        List<String> command = List.of("driver", word, "--config", node.config.toString());
        try (AgentProcess process = AgentProcess.start(command, kernel.environment())) {
            int exit = process.awaitExit(300);
            String output = String.join("\n", process.output());
            assertThat(exit).as(output).isEqualTo(status);
            return output;
        }
    }

    /** What a command about the node prints, once it has ended with this status. */
    private static String drain(KubeletBed bed, NodeUnderTest node, int status, String... command) throws Exception {
        try (AgentProcess process = startDrain(bed, node, command)) {
            int exit = process.awaitExit(240);
            String output = String.join("\n", process.output());
            assertThat(exit).as(output).isEqualTo(status);
            return output;
        }
    }

    private static AgentProcess startDrain(KubeletBed bed, NodeUnderTest node, String... command) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("node"));
        arguments.addAll(List.of(command));
        arguments.addAll(List.of(
                "--config",
                node.config.toString(),
                "--kubeconfig",
                bed.kubeconfig().toString(),
                "--node-name",
                KubeletBed.NODE));
        return AgentProcess.start(arguments);
    }

    private static void report(TestReporter reporter, String what, double value) {
        reporter.publishEntry(what, String.format(Locale.ROOT, "%.1f", value));
    }

    private static double millisecondsSince(long began) {
        return (System.nanoTime() - began) / 1e6;
    }

    // --- what is asked of the cluster ---

    // Without the token there is no volume, which a kubelet may take a minute to unmount before a pod is gone.

    private static String deployment(String name, int replicas, String resource, int each) {
        return """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: %1$s}
                spec:
                  replicas: %2$d
                  selector: {matchLabels: {app: %1$s}}
                  template:
                    metadata: {labels: {app: %1$s}}
                    spec:
                      terminationGracePeriodSeconds: 1
                      automountServiceAccountToken: false
                      hostNetwork: true
                      containers:
                      - name: main
                        image: docker.io/kubetest/busybox:1
                        imagePullPolicy: Never
                        command: [/bin/sh, -c, "echo VISIBLE=$NVIDIA_VISIBLE_DEVICES; trap exit TERM; while :; do sleep 1; done"]
                        resources: {limits: {%3$s: %4$d}}
                """.formatted(name, replicas, resource, each);
    }

    private static String job(String name, int completions, int parallelism) {
        return """
                apiVersion: batch/v1
                kind: Job
                metadata: {name: %1$s}
                spec:
                  completions: %2$d
                  parallelism: %3$d
                  backoffLimit: 100
                  template:
                    metadata: {labels: {app: %1$s}}
                    spec:
                      terminationGracePeriodSeconds: 1
                      automountServiceAccountToken: false
                      hostNetwork: true
                      restartPolicy: Never
                      containers:
                      - name: main
                        image: docker.io/kubetest/busybox:1
                        imagePullPolicy: Never
                        command: [/bin/sh, -c, "test -n \\"$NVIDIA_VISIBLE_DEVICES\\""]
                        resources: {limits: {nvidia.com/gpu: 1}}
                """.formatted(name, completions, parallelism);
    }

    private static int allocatable(KubeletBed bed, String resource) throws Exception {
        String all = bed.kubectl("get", "node", "-o", "jsonpath={.items[0].status.allocatable}");
        Matcher matcher =
                Pattern.compile('"' + Pattern.quote(resource) + "\":\"(\\d+)\"").matcher(all);
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : -1;
    }

    private static void awaitAllocatable(KubeletBed bed, String resource, int wanted) throws Exception {
        Eventually.within(SOON, () -> {
            int now = allocatable(bed, resource);
            return now == wanted ? "" : resource + " allocatable is " + now + ", not " + wanted;
        });
    }

    private static void awaitReady(KubeletBed bed, String deployment, int replicas) throws Exception {
        Eventually.within(SOON, () -> {
            String ready = bed.kubectl("get", "deployment", deployment, "-o", "jsonpath={.status.readyReplicas}");
            return ready.equals(String.valueOf(replicas))
                    ? ""
                    : deployment + " has " + ready + " ready pods, not " + replicas + ":\n"
                            + bed.kubectl("get", "pods", "-o", "wide");
        });
    }

    private static void awaitSucceeded(KubeletBed bed, String job, int pods) throws Exception {
        Eventually.within(Duration.ofSeconds(60 + 3L * pods), () -> {
            String done = bed.kubectl("get", "job", job, "-o", "jsonpath={.status.succeeded}");
            return !done.isEmpty() && Integer.parseInt(done) >= pods
                    ? ""
                    : job + " has " + done + " of " + pods + " pods done:\n" + bed.kubectl("get", "pods");
        });
    }

    /** What the devices of the pods of an application are, as their containers see it. */
    private static List<String> visible(KubeletBed bed, String app) throws Exception {
        return bed.kubectl("logs", "-l", "app=" + app, "--max-log-requests=50")
                .lines()
                .filter(line -> line.startsWith("VISIBLE="))
                .flatMap(line -> Arrays.stream(
                        line.substring("VISIBLE=".length()).strip().split(",", -1)))
                .toList();
    }

    private static int failed(KubeletBed bed, String job) throws Exception {
        return (int)
                bed.kubectl("get", "pods", "-l", "app=" + job, "--field-selector=status.phase=Failed", "-o", "name")
                        .lines()
                        .count();
    }

    private static List<String> heldDevices(KubeletBed bed) throws Exception {
        return Pattern.compile("(GPU|MIG)-[0-9a-f-]+(::\\d+)?")
                .matcher(bed.podResources())
                .results()
                .map(MatchResult::group)
                .toList();
    }

    private static void awaitNoDeviceInUse(KubeletBed bed) throws Exception {
        Eventually.within(SOON, () -> {
            List<String> held = heldDevices(bed);
            return held.isEmpty() ? "" : "the kubelet still counts as given out " + held;
        });
    }
}
