package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Any line says one of the few things that lines about GPUs say, within its bounds, or nothing. */
class KernelLinesFuzzTest {
    @FuzzTest
    void anyLineIsAMessageOrNothing(byte[] bytes) {
        // When
        KernelMessage message = KernelLines.parse(new String(bytes, StandardCharsets.UTF_8));

        // Then
        switch (message) {
            case null -> {}
            case KernelMessage.Xid xid -> {
                assertThat(xid.number()).isBetween(0L, 100_000L);
                assertThat(xid.gpuInstance().orElse(0)).isBetween(0, 1_000);
                assertThat(xid.computeInstance().orElse(0)).isBetween(0, 1_000);
            }
            case KernelMessage.SwitchXid sxid -> {
                assertThat(sxid.number()).isBetween(0L, 100_000L);
                assertThat(sxid.detail()).hasSizeLessThanOrEqualTo(120).matches("[ -~]*");
            }
            case KernelMessage.FallenOffBus fallen ->
                assertThat(fallen.pci().function()).isZero();
            case KernelMessage.InitFailed failed ->
                assertThat(failed.minor().orElse(0)).isNotNegative();
        }
    }
}
