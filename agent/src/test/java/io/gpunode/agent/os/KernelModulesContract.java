package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.LoadedModule.Phase;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What every {@link KernelModules} does, told with the modules base, top (which uses base) and other. */
@Timeout(20)
abstract class KernelModulesContract {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private KernelModules modules;

    /** None of the three is loaded, all are installed. */
    abstract KernelModules modules() throws IOException;

    /** Something opens a device of a module. */
    abstract void hold(String module) throws IOException;

    /** Something closes it. */
    abstract void release(String module) throws IOException;

    /** A loaded module seems to be on its way in or out, and stays so. */
    abstract void phase(String module, Phase phase) throws IOException;

    /** The file of a module. */
    abstract Path file(String module);

    @BeforeEach
    void setUp() throws IOException {
        modules = modules();
    }

    @Test
    void aModuleIsLoadedByItsNameWithWhatItNeeds() throws Exception {
        // When
        ModuleOutcome outcome = modules.load(ModuleToLoad.named("top"), LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(ModuleOutcome.Done.class);
        assertThat(names()).containsExactly("top", "base");
        assertThat(find("base"))
                .returns(List.of("top"), LoadedModule::holders)
                .returns(1, LoadedModule::references)
                .returns(0, LoadedModule::externalReferences)
                .returns(Phase.LIVE, LoadedModule::phase);
    }

    @Test
    void aModuleIsLoadedFromItsFileWithItsParameters() throws Exception {
        // Given
        Map<String, String> parameters = Map.of("speed", "3");

        // When
        ModuleOutcome outcome = modules.load(new ModuleToLoad("base", Optional.of(file("base")), parameters), LIMIT);

        // Then
        assertThat(outcome.ok()).isTrue();
        assertThat(modules.parameters("base")).isEqualTo(parameters);
        assertThat(find("base").version()).isEqualTo("1.0");
    }

    @Test
    void aFileIsNotLoadedBeforeWhatItNeeds() throws Exception {
        // When
        ModuleOutcome outcome = modules.load(new ModuleToLoad("top", Optional.of(file("top")), Map.of()), LIMIT);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        ModuleOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(ModuleFault.UNKNOWN_SYMBOL));
        assertThat(names()).isEmpty();
    }

    @Test
    void whatIsThereIsNotLoadedAgain() throws Exception {
        // Given
        modules.load(ModuleToLoad.named("other"), LIMIT);

        // When
        ModuleOutcome outcome = modules.load(ModuleToLoad.named("other"), LIMIT);

        // Then
        assertThat(outcome).isEqualTo(new ModuleOutcome.AlreadyThere());
    }

    @Test
    void whatIsNotInstalledIsNotFound() throws Exception {
        // When
        ModuleOutcome outcome = modules.load(ModuleToLoad.named("nowhere"), LIMIT);

        // Then
        assertThat(outcome).isInstanceOfSatisfying(ModuleOutcome.Refused.class, refused -> {
            assertThat(refused.fault()).isEqualTo(ModuleFault.NO_SUCH_MODULE);
            assertThat(refused.said()).contains("nowhere");
        });
    }

    @Test
    void whatNobodyUsesIsUnloaded() throws Exception {
        // Given
        modules.load(ModuleToLoad.named("top"), LIMIT);

        // When
        ModuleOutcome outcome = modules.unload("top", LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(ModuleOutcome.Done.class);
        assertThat(names()).containsExactly("base");
        assertThat(find("base").references()).isZero();
    }

    @Test
    void whatIsNotThereIsGone() throws Exception {
        assertThat(modules.unload("top", LIMIT)).isEqualTo(new ModuleOutcome.AlreadyGone());
        assertThat(modules.parameters("top")).isEmpty();
    }

    @Test
    void whatOthersDependOnStays() throws Exception {
        // Given
        modules.load(ModuleToLoad.named("top"), LIMIT);

        // When
        ModuleOutcome outcome = modules.unload("base", LIMIT);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        ModuleOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(ModuleFault.HELD_BY_MODULES));
        assertThat(names()).containsExactly("top", "base");
    }

    @Test
    void whatIsHeldStaysUntilItIsReleased() throws Exception {
        // Given
        modules.load(ModuleToLoad.named("other"), LIMIT);
        hold("other");

        // When
        ModuleOutcome held = modules.unload("other", LIMIT);

        // Then
        assertThat(held)
                .isInstanceOfSatisfying(
                        ModuleOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(ModuleFault.IN_USE));
        assertThat(find("other").externalReferences()).isEqualTo(1);
        release("other");
        assertThat(modules.unload("other", LIMIT).ok()).isTrue();
    }

    @Test
    void whatIsOnItsWayAndStaysSoIsToldInTime() throws Exception {
        // Given
        modules.load(ModuleToLoad.named("other"), LIMIT);
        phase("other", Phase.GOING);

        // When
        ModuleOutcome outcome = modules.unload("other", Duration.ofMillis(80));

        // Then
        assertThat(outcome).isInstanceOfSatisfying(ModuleOutcome.TimedOut.class, timedOut -> {
            assertThat(timedOut.stuck()).isTrue();
            assertThat(timedOut.state()).contains("other");
        });
        assertThat(find("other").phase()).isEqualTo(Phase.GOING);
    }

    private List<String> names() throws IOException {
        return modules.loaded().stream().map(LoadedModule::name).toList();
    }

    private LoadedModule find(String name) throws IOException {
        return modules.loaded().stream()
                .filter(module -> module.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
