package io.gpunode.nvml.simulator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ControlFileTest {
    private static final Duration BOUND = Duration.ofSeconds(20);

    @TempDir
    Path root;

    @Test
    void eventReachesAnotherProcessThatOnlyWaits() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xh100", BOUND);
                OtherProcess other = new OtherProcess(control.library(), "wait")) {
            assertThat(other.nextLine()).isEqualTo("waiting");
            // When
            control.injectXid(0, 79);
            // Then
            assertThat(other.rest()).containsExactly("result 0 xid 79");
        }
    }

    @Test
    void processThatStartsLaterMeetsTheRulesButNotTheOldEvents() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xh100", BOUND)) {
            try (OtherProcess first = new OtherProcess(control.library(), "wait")) {
                assertThat(first.nextLine()).isEqualTo("waiting");
                control.apply("set gpu=0 temperature=81");
                control.apply("set gpu=0 power=650000\nevent gpu=0 xid=31");
                first.rest();
            }
            // When
            try (OtherProcess second = new OtherProcess(control.library(), "temperature")) {
                // Then
                assertThat(second.rest()).containsExactly("temperature 81");
            }
        }
    }

    @Test
    void layoutOutlivesTheProcessThatMadeIt() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xa100-80gb-mig", BOUND)) {
            try (OtherProcess first = new OtherProcess(control.library(), "wait")) {
                assertThat(first.nextLine()).isEqualTo("waiting");
                control.apply("mig gpu=0 destroy=7\nmig gpu=0 destroy=9/0");
                control.injectXid(0, 1);
                first.rest();
            }
            // When
            try (OtherProcess second = new OtherProcess(control.library(), "layout")) {
                // Then: NOT_FOUND where there is none
                assertThat(second.rest()).containsExactly("layout 6 0 6 0 0 0 0");
            }
        }
    }

    @Test
    void refusedRuleComesBackWithItsLine() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xh100", BOUND);
                OtherProcess other = new OtherProcess(control.library(), "wait")) {
            assertThat(other.nextLine()).isEqualTo("waiting");
            // When / Then
            assertThatThrownBy(() -> control.apply("set gpu=0 temperature=50\nfault x call=nvmlNothing return=UNKNOWN"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("line 2: there is no function 'nvmlNothing'");
            control.injectXid(0, 1);
            other.rest();
        }
    }

    @Test
    void reportTellsWhatTheOtherProcessCalled() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xh100", BOUND);
                OtherProcess other = new OtherProcess(control.library(), "wait")) {
            assertThat(other.nextLine()).isEqualTo("waiting");
            // When
            String report = control.report();
            // Then
            assertThat(report).contains("init-count 1", "event-sets 1", "call nvmlDeviceRegisterEvents 1");
            control.injectXid(0, 1);
            other.rest();
        }
    }

    @Test
    void misuseInAnotherProcessFailsClose() throws Exception {
        // Given
        ControlFile control = ControlFile.install(root, "8xh100", BOUND);
        try (OtherProcess other = new OtherProcess(control.library(), "leak")) {
            assertThat(other.nextLine()).isEqualTo("waiting");
            control.injectXid(0, 1);
            other.rest();
        }
        // When / Then
        assertThatThrownBy(control::close)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("1 event sets were not freed before the last shutdown");
    }

    @Test
    void rulesThatNobodyAcknowledgesAreReportedWithinTheBound() {
        // Given
        try (ControlFile control = ControlFile.install(root, "1xt4", Duration.ofMillis(50))) {
            // When / Then
            assertThatThrownBy(() -> control.apply("set gpu=0 temperature=50"))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("is it running, and has it initialised NVML?");
        }
    }

    @Test
    void replacedRulesDoNotPileUp() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xh100", BOUND);
                OtherProcess other = new OtherProcess(control.library(), "wait")) {
            assertThat(other.nextLine()).isEqualTo("waiting");
            control.apply("workload gpu=1 kind=idle");
            // When
            for (int i = 0; i < 20; i++) {
                control.apply("workload gpu=0 kind=train period=" + (i + 1));
            }
            // Then
            control.injectXid(0, 1);
            other.rest();
            assertThat(Files.readString(control.library().resolveSibling("nvmlsim.control"))
                            .lines())
                    .filteredOn(line -> line.startsWith("workload"))
                    .hasSizeLessThanOrEqualTo(3)
                    .contains("workload gpu=1 kind=idle", "workload gpu=0 kind=train period=20");
        }
    }

    @Test
    void postedRulesApplyToTheProcessThatStartsNext() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "1xt4", BOUND)) {
            control.post("set gpu=0 temperature=66");
            // When
            try (OtherProcess other = new OtherProcess(control.library(), "temperature")) {
                // Then
                assertThat(other.rest()).containsExactly("temperature 66");
            }
        }
    }
}
