package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The packaged agent beside a real kubelet with containerd; see {@link KubeletBed} for what it needs. */
@Timeout(600)
class RealKubeletIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    @Test
    void aPodGetsItsGpusIsAttributedAndTheKubeletMayRestart() throws Exception {
        // Given
        Optional<String> missing = KubeletBed.missing();
        assumeTrue(missing.isEmpty(), missing.orElse(""));
        try (NodeUnderTest node = new NodeUnderTest(folder, "8xh100")) {
            KubeletBed.serve(node);
            KubeletBed bed = KubeletBed.up();
            try (AgentProcess agent = node.startAgent()) {
                String address = agent.awaitAddress();
                AgentProcess.awaitReady(address, SOON);

                // When
                bed.startPod("two-gpus", 2);
                awaitPodOnTwoGpus(address);
                String visible = awaitVisibleDevices(bed, "two-gpus");
                long before = registrations(address);
                bed.restartKubelet();
                Eventually.within(SOON, () -> registrations(address) > before ? "" : "not registered again");

                // Then
                assertThat(visible.split(","))
                        .hasSize(2)
                        .allMatch(id -> node.driver.profile().gpus().stream()
                                .anyMatch(gpu -> gpu.uuid().equals(id)));
                AgentProcess.awaitReady(address, SOON);
                awaitPodOnTwoGpus(address);
                bed.startPod("one-gpu", 1);
                assertThat(visible).doesNotContain(awaitVisibleDevices(bed, "one-gpu"));
                assertThat(agent.alive()).isTrue();
                bed.endPod("two-gpus");
                bed.endPod("one-gpu");
            } finally {
                bed.down();
            }
        }
    }

    private static long registrations(String address) throws IOException {
        Matcher matcher = Pattern.compile("\"registrations\": (\\d+)")
                .matcher(AgentProcess.get(address, "/state").body());
        return matcher.find() ? Long.parseLong(matcher.group(1)) : 0;
    }

    private static void awaitPodOnTwoGpus(String address) throws Exception {
        Eventually.within(SOON, () -> {
            long series = AgentProcess.get(address, "/metrics")
                    .body()
                    .lines()
                    .filter(line -> line.startsWith("DCGM_FI_DEV_GPU_TEMP{") && line.contains("pod=\"two-gpus"))
                    .count();
            return series == 2 ? "" : series + " GPUs are attributed to the pod, not 2";
        });
    }

    private static String awaitVisibleDevices(KubeletBed bed, String pod) throws Exception {
        StringBuilder found = new StringBuilder();
        Eventually.within(SOON, () -> {
            Matcher matcher = Pattern.compile("VISIBLE=(GPU\\S+)").matcher(bed.podLog(pod));
            if (!matcher.find()) {
                return "the pod " + pod + " has not printed its GPUs";
            }
            found.append(matcher.group(1));
            return "";
        });
        return found.toString();
    }
}
