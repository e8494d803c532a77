package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.attribution.AttributionPicture;
import io.gpunode.agent.attribution.PodFacts;
import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.metrics.DeviceSeries.PodLabel;
import io.gpunode.agent.podresources.DeviceHolders.Share;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.Snapshots;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class OwnerLabelsTest {
    private static final PodUse TRAIN = new PodUse("ml", "train-0", "main");
    private static final PodUse SIDE = new PodUse("ml", "train-0", "side");
    private static final PodUse OTHER = new PodUse("ml", "other", "main");
    private static final PodUse STRANGER = new PodUse("web", "train-0", "main");
    private static final AttributionPicture NOTHING = AttributionPicture.EMPTY;

    @Test
    void oneHolderIsNamed() {
        assertThat(texts(labels(false, false, false), List.of(share(TRAIN, "")), NOTHING))
                .containsExactly("container=main namespace=ml pod=train-0");
    }

    @Test
    void severalHoldersAreNamedByWhatTheyHaveInCommon() {
        // Given
        OwnerLabels labels = labels(false, false, false);

        // When / Then
        assertThat(texts(labels, List.of(share(TRAIN, "0"), share(TRAIN, "1")), NOTHING))
                .containsExactly("container=main namespace=ml pod=train-0");
        assertThat(texts(labels, List.of(share(TRAIN, "0"), share(SIDE, "1")), NOTHING))
                .containsExactly("namespace=ml pod=train-0");
        assertThat(texts(labels, List.of(share(TRAIN, "0"), share(OTHER, "1")), NOTHING))
                .containsExactly("namespace=ml");
        assertThat(texts(labels, List.of(share(TRAIN, "0"), share(STRANGER, "1")), NOTHING))
                .containsExactly("");
        assertThat(texts(labels, List.of(), NOTHING)).containsExactly("");
    }

    @Test
    void withVirtualGpusTheDeviceIsThereOnceForItselfAndOnceForEachShare() {
        // Given
        AttributionPicture known = known(Map.of("ml/train-0", new PodFacts("uid-1", Map.of(), false)));

        // When
        List<String> sets = texts(
                labels(true, false, false), List.of(share(TRAIN, "10"), share(OTHER, "3"), share(TRAIN, "2")), known);

        // Then
        assertThat(sets)
                .containsExactly(
                        "",
                        "container=main namespace=ml pod=other vgpu=3",
                        "container=main namespace=ml pod=train-0 pod_uid=uid-1 vgpu=2",
                        "container=main namespace=ml pod=train-0 pod_uid=uid-1 vgpu=10");
    }

    @Test
    void labelsAndUidOfThePodFollowWhereOnePodHoldsIt() {
        // Given
        AttributionPicture known = known(Map.of(
                "ml/train-0", new PodFacts("uid-1", Map.of("app.kubernetes.io/name", "train", "gpu", "mine"), false)));

        // When / Then
        assertThat(texts(labels(false, true, false), List.of(share(TRAIN, "0"), share(SIDE, "1")), known))
                .containsExactly(
                        "namespace=ml pod=train-0 pod_uid=uid-1 app_kubernetes_io_name=train pod_label_gpu=mine");
        assertThat(texts(labels(false, true, false), List.of(share(TRAIN, "0"), share(OTHER, "1")), known))
                .containsExactly("namespace=ml");
    }

    @Test
    void aPodThatHasEndedHoldsNothing() {
        // Given
        AttributionPicture known = known(Map.of("ml/train-0", new PodFacts("uid-1", Map.of(), true)));
        List<Share> shares = List.of(share(TRAIN, "0"), share(OTHER, "1"));

        // When / Then
        assertThat(texts(labels(false, false, false), shares, known))
                .containsExactly("container=main namespace=ml pod=other");
        assertThat(texts(labels(true, false, false), shares, known))
                .containsExactly("", "container=main namespace=ml pod=other vgpu=1");
        assertThat(OwnerLabels.holders(shares, known)).containsExactly(OTHER);
    }

    @Test
    void theSeriesOfADeviceAreRepeatedForEachOfItsJobs() {
        // Given
        AttributionPicture known = new AttributionPicture(
                1, List.of(), Map.of(), Map.of("0", List.of("1001", "1002"), "0.1", List.of("7")), Map.of());

        // When / Then
        assertThat(texts(labels(false, false, false), List.of(share(TRAIN, "")), known))
                .containsExactly(
                        "container=main namespace=ml pod=train-0 hpc_job=1001",
                        "container=main namespace=ml pod=train-0 hpc_job=1002");
    }

    @Test
    void aClaimIsToldWhereThatIsWanted() {
        // Given
        PodUse claimed = new PodUse(
                "ml", "train-0", "main", new PodUse.Claim("gpus", "ml", "gpu.nvidia.com", "node-a", "gpu-0"));

        // When / Then
        assertThat(texts(labels(false, false, false), List.of(share(claimed, "")), NOTHING))
                .containsExactly("container=main namespace=ml pod=train-0");
        assertThat(texts(labels(false, false, true), List.of(share(claimed, "")), NOTHING))
                .containsExactly("container=main namespace=ml pod=train-0 dra_claim_name=gpus dra_claim_namespace=ml"
                        + " dra_driver_name=gpu.nvidia.com dra_pool_name=node-a dra_device_name=gpu-0");
    }

    @Test
    void aContainerOutsideOfKubernetesHasNoPod() {
        assertThat(texts(labels(false, true, false), List.of(share(new PodUse("", "", "jupyter"), "")), NOTHING))
                .containsExactly("container=jupyter");
    }

    private static OwnerLabels labels(boolean virtualGpus, boolean podUid, boolean claims) {
        return new OwnerLabels(
                new AgentConfig.Attribution(
                        true,
                        virtualGpus,
                        podUid,
                        false,
                        List.of(),
                        claims,
                        Set.of(),
                        "",
                        false,
                        Path.of("/none.sock")),
                List.of());
    }

    private static AttributionPicture known(Map<String, PodFacts> pods) {
        return new AttributionPicture(1, List.of(), pods, Map.of(), Map.of());
    }

    private static Share share(PodUse use, String replica) {
        return new Share(use, replica);
    }

    private static List<String> texts(OwnerLabels labels, List<Share> shares, AttributionPicture known) {
        return labels.of(shares, "0", null, known).stream()
                .map(set ->
                        String.join(" ", set.stream().map(OwnerLabelsTest::text).toList()))
                .toList();
    }

    private static String text(PodLabel label) {
        return label.name() + "=" + label.value();
    }

    @Test
    void aGpuInstanceTellsItsMigDeviceWithAClaim() {
        // Given
        PodUse claimed = new PodUse("ml", "p", "c", new PodUse.Claim("g", "ml", "acme.com", "a", "b"));

        // When
        List<List<PodLabel>> sets = labels(false, false, true)
                .of(List.of(share(claimed, "")), "0.1", Snapshots.migDevice(0, 0, "1g.10gb"), NOTHING);

        // Then
        assertThat(sets.getFirst()).contains(new PodLabel("dra_mig_profile", "1g.10gb"));
    }
}
