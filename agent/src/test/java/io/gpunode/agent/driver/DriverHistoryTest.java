package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.InMemory;
import io.gpunode.agent.time.ManualTime;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class DriverHistoryTest {
    private static final Path STATE = DriverTransaction.STATE_DIRECTORY;
    private static final DriverTarget OLD = FakeDriverNode.target("1.0.1", Map.of());
    private static final DriverTarget NEW = FakeDriverNode.target("2.0.2", Map.of());

    @TempDir(factory = InMemory.class)
    private Path root = Path.of("");

    private final FakeDriverNode node = new FakeDriverNode();

    private HostFiles files() {
        return new SystemHostFiles(root);
    }

    private DriverHistory history() {
        return DriverHistory.read(files(), STATE, "this boot", false);
    }

    private DriverOutcome change(DriverTarget target) throws InterruptedException {
        return new DriverTransaction(files(), STATE, node, (_, _) -> {}, new ManualTime()).change(target, false);
    }

    @Test
    void aNodeOnWhichNothingHasHappenedHasNone() {
        // When
        DriverHistory history = history();

        // Then
        assertThat(history).isEqualTo(new DriverHistory("", "", "", false, List.of()));
    }

    @Test
    void aChangeThatIsUnderWayIsToldWithItsStepAndWhatEndsIt() throws Exception {
        // Given
        change(OLD);
        new DriverJournal(files(), STATE)
                .write(new DriverJournal.Entry(
                        OLD,
                        NEW,
                        true,
                        "load nvidia",
                        "version magic",
                        2,
                        "unload nvidia_uvm",
                        false,
                        "boot",
                        1,
                        false,
                        ClusterTurn.Asked.NOTHING));

        // When
        DriverHistory history = history();

        // Then
        assertThat(history.change())
                .isEqualTo(
                        "a change from 1.0.1 (open) to 2.0.2 (open) is under way or was interrupted and goes back: it"
                                + " could not load nvidia (version magic); its step 2: unload nvidia_uvm");
        assertThat(history.remarks()).singleElement().satisfies(remark -> {
            assertThat(remark.text()).isEqualTo(history.change());
            assertThat(remark.next())
                    .contains(
                            "process " + ProcessHandle.current().pid(),
                            "gpu-node-agent status",
                            "gpu-node-agent driver rollback");
        });
    }

    @Test
    void theDriverBeforeIsTold() throws Exception {
        // Given
        change(OLD);
        change(NEW);

        // When
        DriverHistory history = history();

        // Then
        assertThat(history.previous()).isEqualTo("1.0.1 (open)");
        assertThat(history.remarks()).isEmpty();
    }

    @Test
    void aDriverThatIsNotTriedAnyMoreIsToldWithTheCommandThatTriesIt() throws Exception {
        // Given
        DriverMemory memory = new DriverMemory(files(), STATE);
        memory.write(memory.read().havingGivenUp(NEW, "version magic"));

        // When
        DriverHistory history = history();

        // Then
        assertThat(history.givenUp()).startsWith("2.0.2 (open)").endsWith(": version magic");
        assertThat(history.remarks())
                .singleElement()
                .satisfies(remark -> assertThat(remark.next()).startsWith("gpu-node-agent driver upgrade"));
    }

    @Test
    void aDriverThatWasUnloadedByHandIsToldInThatBootOnly() throws Exception {
        // Given
        DriverMemory memory = new DriverMemory(files(), STATE);
        memory.write(memory.read().unloadedIn("this boot"));
        DriverHistory before = history();
        memory.write(memory.read().unloadedIn("another boot"));

        // When
        DriverHistory after = history();

        // Then
        assertThat(before.unloadedByHand()).isTrue();
        assertThat(before.remarks())
                .containsExactly(new DriverRemark(
                        "somebody has unloaded the driver; it comes back with the next boot",
                        "gpu-node-agent driver load"));
        assertThat(after.unloadedByHand()).isFalse();
    }

    @Test
    void filesOfNoUseAreToldWithWhatFollows() throws Exception {
        // Given
        for (String name : List.of("driver.journal", "driver.state")) {
            files().replace(STATE.resolve(name), "rubbish".getBytes(StandardCharsets.US_ASCII), "rw-------");
        }

        // When
        DriverHistory history = history();

        // Then
        assertThat(history.change()).isEmpty();
        assertThat(history.remarks())
                .extracting(DriverRemark::text)
                .satisfiesExactly(
                        text -> assertThat(text).startsWith("/var/lib/gpu-node-agent/driver.journal is no journal"),
                        text -> assertThat(text).startsWith("/var/lib/gpu-node-agent/driver.state is no journal"));
        assertThat(history.remarks())
                .allSatisfy(remark -> assertThat(remark.next()).isNotEmpty());
    }
}
