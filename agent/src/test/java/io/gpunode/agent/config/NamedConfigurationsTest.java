package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.NamedConfigurations.Choice;
import io.gpunode.agent.config.NamedConfigurations.Fallback;
import io.gpunode.agent.config.NodeLabels.Answer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class NamedConfigurationsTest {
    private static final Answer NOT_SET = new Answer.NotSet();
    private static final Answer UNKNOWN = new Answer.Unknown("the API server does not answer");

    private static Choice choose(
            Answer label, String inFile, String defaultName, List<Fallback> fallbacks, String... files) {
        return new NamedConfigurations("example.org/config", label, inFile, defaultName, fallbacks)
                .choose(List.of(files));
    }

    @Test
    void theLabelWinsOverAllElse() {
        // When
        Choice choice = choose(new Answer.Value("b"), "a", "a", List.of(Fallback.NAMED), "a", "b", "default");

        // Then
        assertThat(choice).isEqualTo(new Choice.Named("b", "named by the node's label example.org/config"));
    }

    @Test
    void withoutALabelTheSelectionFileNames() {
        // When
        Choice choice = choose(NOT_SET, "a", "b", List.of(Fallback.NAMED), "a", "b", "default");

        // Then
        assertThat(choice).isEqualTo(new Choice.Named("a", "named by config.selectionFile"));
    }

    @Test
    void anEmptyLabelIsNone() {
        // When
        Choice choice = choose(new Answer.Value(""), "", "b", List.of(), "a", "b");

        // Then
        assertThat(choice).isEqualTo(new Choice.Named("b", "named by config.default"));
    }

    @Test
    void theNamedFallbackIsTheFileThatIsCalledDefault() {
        // When
        Choice choice = choose(NOT_SET, "", "", List.of(Fallback.NAMED, Fallback.SINGLE), "a", "default");

        // Then
        assertThat(choice)
                .isEqualTo(new Choice.Named(
                        "default", "the node has no label example.org/config, and this one is called default"));
    }

    @Test
    void theSingleFallbackIsTheOnlyFile() {
        // When
        Choice choice = choose(UNKNOWN, "", "", List.of(Fallback.NAMED, Fallback.SINGLE), "a");

        // Then
        assertThat(choice)
                .isEqualTo(new Choice.Named(
                        "a",
                        "the label example.org/config is not known (the API server does not answer), and there is no"
                                + " other"));
    }

    @Test
    void fallbacksAreTriedInTheirOrder() {
        // When
        Choice choice = choose(NOT_SET, "", "", List.of(Fallback.EMPTY, Fallback.NAMED), "a", "default");

        // Then
        assertThat(choice)
                .isEqualTo(new Choice.Empty("the node has no label example.org/config, and the fallback is empty"));
    }

    @Test
    void whatIsNamedAndNotThereIsRefusedWithTheNearest() {
        // When
        Choice choice = choose(new Answer.Value("a100-mgi"), "", "default", List.of(), "a100-mig", "default");

        // Then
        assertThat(choice)
                .isEqualTo(new Choice.Refused(
                        "the node's label example.org/config names \"a100-mgi\", which is not there",
                        "did you mean \"a100-mig\"?"));
    }

    @Test
    void aNameThatCannotBeAFileOfTheDirectoryIsRefused() {
        // When
        Choice choice = choose(new Answer.Value("../../etc/passwd"), "", "", List.of(), "a", "b");

        // Then
        assertThat(choice)
                .isEqualTo(new Choice.Refused(
                        "the node's label example.org/config names \"../../etc/passwd\", which is not there",
                        "name one of a, b"));
    }

    @Test
    void whereNothingChoosesTheNextStepIsTold() {
        // When
        Choice choice = choose(NOT_SET, "", "", List.of(Fallback.NAMED, Fallback.SINGLE), "a", "b");

        // Then
        assertThat(choice)
                .isEqualTo(new Choice.Refused(
                        "nothing chooses one of a, b: the node has no label example.org/config",
                        "set the label (kubectl label node NODE example.org/config=NAME) or config.default"));
    }

    @Test
    void aLongListOfNamesIsCut() {
        // When
        Choice choice = choose(
                NOT_SET, "", "", List.of(Fallback.NAMED), "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l");

        // Then
        assertThat(((Choice.Refused) choice).what()).contains("h, i, j and 2 more:");
    }
}
