package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.process.ShortTempDir;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.nvml.simulator.ControlFile;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Containers of real runtimes, started with what the agent writes for a simulated node. In each runs a program that loads NVML by its SONAME and tries
 * device nodes; the nodes are real, with NVIDIA's numbers, and there is no driver behind them: what may be opened answers ENXIO, what the device
 * cgroup denies EPERM.
 */
@Timeout(120)
class ContainerIT {
    private static final String SPEC = "k8s.device-plugin.nvidia.com-gpu.json";

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    private Optional<ControlFile> driver = Optional.empty();
    private Optional<AgentAssembly> agent = Optional.empty();

    @AfterEach
    void stop() throws Exception {
        if (agent.isPresent()) {
            agent.get().stop(Duration.ofSeconds(30));
        }
        driver.ifPresent(ControlFile::close);
    }

    /** Starts an agent on a simulated node in the folder and waits for its specification. */
    private Path node(String profile, String settings) throws Exception {
        SimulatedProfile node = SimulatedProfile.named(profile);
        boolean realNodes = SimulatedNodeFiles.create(folder, node).realDeviceNodes();
        assumeTrue(realNodes, "no device nodes can be made here");
        ControlFile control = ControlFile.install(folder, node, Duration.ofSeconds(10));
        driver = Optional.of(control);
        Path file = folder.resolve("config.yaml");
        Files.writeString(file, """
                version: v1
                %s
                kubelet:
                  devicePluginDirectory: %s
                  podResourcesSocket: %s
                kubernetes:
                  api: "off"
                http:
                  listen: 127.0.0.1:0
                """.formatted(settings, folder.resolve("kubelet"), folder.resolve("pods.sock")));
        AgentAssembly assembly = new AgentAssembly(
                new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                        .load(List.of(), Optional.empty()),
                "test",
                EventLoops.open("agent-io"),
                SystemTime.monotonic(),
                SystemTime.wall());
        agent = Optional.of(assembly);
        assembly.start(() -> {});
        Path spec = folder.resolve("var/run/cdi").resolve(SPEC);
        Eventually.within(Duration.ofSeconds(30), () -> Files.exists(spec) ? "" : "no " + spec);
        return spec;
    }

    private String onHostRoot() {
        return "host: {root: " + folder + "}";
    }

    private ContainerBundle bundle(String name) throws IOException, InterruptedException {
        ContainerBundle bundle = new ContainerBundle(folder.resolve(name), folder);
        Files.createDirectories(bundle.root());
        bundle.program(program());
        Path scenario = bundle.root().resolve("etc/nvmlsim.conf");
        Files.copy(driver.orElseThrow().library().resolveSibling("nvmlsim.conf"), scenario);
        return bundle.environment("NVMLSIM_SCENARIO", "/etc/nvmlsim.conf").environment("NVMLSIM_DEVICE_NODES", "/dev");
    }

    private Path program() throws IOException, InterruptedException {
        Path program = folder.resolve("gpu-view");
        if (!Files.exists(program)) {
            ContainerTools.run(List.of("cc", "-std=c11", "-O1", "-o", program.toString(), "src/test/c/gpu-view.c"), 60);
        }
        return program;
    }

    private List<String> start(String runtime, ContainerBundle bundle, String... arguments)
            throws IOException, InterruptedException {
        return ContainerTools.run(bundle.command(ContainerTools.find(runtime).orElseThrow(), arguments), 60)
                .lines()
                .toList();
    }

    private static void assumeTool(String tool) {
        Optional<String> missing = ContainerTools.missing(tool);
        assumeTrue(missing.isEmpty(), missing.orElse(""));
    }

    /** A runtime that is there and that can start a container without a GPU: where a machine does not let it, there is nothing to test. */
    private void assumeRuntime(String runtime) throws IOException, InterruptedException {
        assumeTool(runtime);
        assumeTrue(
                Files.exists(Path.of("/lib/x86_64-linux-gnu/libc.so.6")),
                "this machine is not of Debian's family on x86-64");
        ContainerBundle bundle = new ContainerBundle(folder.resolve("probe"), folder);
        Files.createDirectories(bundle.root());
        bundle.program(program()).likeDebian();
        String refusal = "";
        try {
            start(runtime, bundle, "--start-only");
        } catch (AssertionError e) {
            refusal = String.valueOf(e.getMessage());
        }
        assumeTrue(refusal.isEmpty(), "no container can be started here: " + refusal);
    }

    private String gpu(int number) {
        return driver.orElseThrow().profile().gpus().get(number).uuid();
    }

    @ParameterizedTest
    @CsvSource({"runc,debian", "runc,red-hat", "crun,debian", "crun,red-hat"})
    void aContainerSeesExactlyItsGpus(String runtime, String image) throws Exception {
        // Given
        assumeRuntime(runtime);
        Path spec = node("8xh100", onHostRoot());
        ContainerBundle bundle = bundle("c");
        if (image.equals("debian")) {
            bundle.likeDebian();
        } else {
            Optional<Path> loader = ContainerTools.otherLoader();
            assumeTrue(loader.isPresent(), "no C library of the other family: set CONTAINER_TOOLS");
            bundle.likeRedHat(loader.orElseThrow());
        }
        bundle.devices(spec, gpu(2), gpu(5));

        // When
        List<String> seen = start(runtime, bundle, "/dev/nvidia2", "/dev/nvidia3", "/dev/nvidiactl", "/dev/nvidia-uvm");

        // Then
        assertThat(seen)
                .contains("gpus 2 (0)", "gpu " + gpu(2), "gpu " + gpu(5))
                .contains("node /dev/nvidia2 195:2 666 ENXIO", "node /dev/nvidia3 ENOENT")
                .contains("node /dev/nvidiactl 195:255 666 ENXIO", "node /dev/nvidia-uvm 510:0 666 ENXIO");
    }

    @Test
    void aGpuThatWasNotGivenCannotBeOpenedAlsoWithANodeMadeInTheContainer() throws Exception {
        // Given
        assumeRuntime("runc");
        Path spec = node("8xh100", onHostRoot());
        ContainerBundle bundle = bundle("c").likeDebian().devices(spec, gpu(2));

        // When
        List<String> seen = start("runc", bundle, "c:195:2", "c:195:3");

        // Then
        assertThat(seen).anyMatch(line -> line.startsWith("node /tmp-node 195:2") && line.endsWith("ENXIO"));
        assertThat(seen).anyMatch(line -> line.startsWith("node /tmp-node 195:3") && line.endsWith("EPERM"));
    }

    @Test
    void aMigDeviceIsSeenAloneByAnOrdinaryUserInAReadOnlyRoot() throws Exception {
        // Given
        assumeRuntime("runc");
        Path spec = node("8xa100-80gb-mig", "flags: {migStrategy: mixed}\n" + onHostRoot());
        String mig = Arrays.stream(Files.readString(spec).split("\""))
                .filter(word -> word.startsWith("MIG-"))
                .findFirst()
                .orElseThrow();
        // Mount points are made before the root becomes read-only.
        ContainerBundle bundle =
                bundle("c").likeDebian().devices(spec, mig).user(1_000).readOnly();

        // When
        List<String> seen = start("runc", bundle);

        // Then
        assertThat(seen).contains("gpus 1 (0)");
        assertThat(seen.stream().filter(line -> line.startsWith("mig "))).containsExactly("mig " + mig);
    }

    @Test
    void aGraphicsNodeThatIsForAGroupOnTheHostOpensForAnOrdinaryUser() throws Exception {
        // Given: the numbers of a device that exists, with the owner and mode that udev gives render nodes
        assumeRuntime("runc");
        SimulatedProfile profile = SimulatedProfile.named("1xt4");
        String address = profile.gpus().getFirst().pciAddress();
        Files.createDirectories(folder.resolve("sys/bus/pci/devices/" + address + "/drm/renderD128"));
        Path render = Files.createDirectories(folder.resolve("dev/dri")).resolve("renderD128");
        ContainerTools.run(List.of("mknod", "-m", "660", render.toString(), "c", "1", "5"), 10);
        Path spec = node("1xt4", onHostRoot());
        ContainerBundle bundle = bundle("c").likeDebian().devices(spec, gpu(0)).user(1_000);

        // When
        List<String> seen = start("runc", bundle, "/dev/dri/renderD128");

        // Then
        assertThat(seen).contains("node /dev/dri/renderD128 1:5 666 open");
    }

    @Test
    void podmanResolvesTheNames() throws Exception {
        // Given: podman reads the specification itself, so its paths must be true ones
        assumeTool("podman");
        assumeRuntime("runc");
        assumeTool("conmon");
        node("4xl4", """
                flags: {nvidiaDriverRoot: "%1$s"}
                cdi: {directory: "%1$s/var/run/cdi", nvidiaComGpu: always, createDeviceNodes: false, devCharLinks: false}
                """.formatted(folder));
        ContainerBundle bundle = bundle("c").likeDebian();

        // When
        String seen = podman(bundle.root(), "nvidia.com/gpu=1", "k8s.device-plugin.nvidia.com/gpu=" + gpu(3));

        // Then
        assertThat(seen.lines()).contains("gpus 2 (0)", "gpu " + gpu(1), "gpu " + gpu(3));
    }

    @Test
    void aContainerStartsWithAGpuAlmostAsFastAsWithout() throws Exception {
        // Given
        assumeRuntime("runc");
        Path spec = node("8xh100", onHostRoot());
        ContainerBundle with = bundle("with").likeDebian().devices(spec, gpu(0));
        ContainerBundle without = bundle("without").likeDebian();
        Path runtime = ContainerTools.find("runc").orElseThrow();
        List<Long> gpu = new ArrayList<>();
        List<Long> none = new ArrayList<>();

        // When: turn by turn, so that what else the machine does falls on both
        for (int i = 0; i < 41; i++) {
            none.add(microsecondsOf(without.command(runtime, "--start-only")));
            gpu.add(microsecondsOf(with.command(runtime, "--start-only")));
        }

        // Then
        long added = median(gpu) - median(none);
        System.out.printf(
                "container start with runc: median %.1f ms without GPU, %.1f ms with %d mounts; fastest %.1f and %.1f ms%n",
                median(none) / 1_000.0,
                median(gpu) / 1_000.0,
                Files.readString(spec).split("\"containerPath\"").length - 1,
                Collections.min(none) / 1_000.0,
                Collections.min(gpu) / 1_000.0);
        assertThat(added).as("added microseconds").isLessThan(200_000);
    }

    private static long microsecondsOf(List<String> command) throws IOException, InterruptedException {
        long start = System.nanoTime();
        int ended = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
        long end = System.nanoTime();
        assertThat(ended).isZero();
        return (end - start) / 1_000;
    }

    private static long median(List<Long> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
    }

    private String podman(Path root, String... devices) throws IOException, InterruptedException {
        String store = folder.resolve("podman").toString();
        List<String> command = new ArrayList<>(List.of(
                "unshare",
                "-m",
                "sh",
                "-c",
                // The directory of specifications that podman reads is the agent's in this mount namespace alone.
                "mount -t tmpfs run /run && mkdir /run/cdi && mount --bind \"$1\" /run/cdi && shift && exec \"$@\"",
                "sh",
                folder.resolve("var/run/cdi").toString(),
                ContainerTools.find("podman").orElseThrow().toString(),
                "--root=" + store + "/root",
                "--runroot=" + store + "/run",
                "--tmpdir=" + store + "/tmp",
                "--storage-driver=vfs",
                "--runtime=" + ContainerTools.find("runc").orElseThrow(),
                "--conmon=" + ContainerTools.find("conmon").orElseThrow(),
                "--cgroup-manager=cgroupfs",
                "run",
                "--net=host",
                "--ulimit=nofile=1024:1024",
                "--ulimit=nproc=1024:1024",
                "--env=NVMLSIM_SCENARIO=/etc/nvmlsim.conf",
                "--env=NVMLSIM_DEVICE_NODES=/dev"));
        for (String device : devices) {
            command.add("--device=" + device);
        }
        command.addAll(List.of("--rootfs", root.toString(), "/program"));
        return ContainerTools.run(command, 60);
    }
}
