package io.gpunode.nvml;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The three floors of the binding: raw keeps C's names, session keeps the library, typed speaks the records of the public package. */
class ArchitectureTest {
    private static JavaClasses production;

    @BeforeAll
    static void importClasses() {
        production = new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                // The simulator is a module of its own that plays the other side.
                .withImportOption(location -> !location.contains("/simulator/"))
                .importPackages("io.gpunode.nvml");
    }

    @Test
    void noJnaTypeClimbs() {
        check(noClasses()
                .that()
                .resideOutsideOfPackage("io.gpunode.nvml.raw..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.sun.jna..")
                .because("JNA ties names to addresses and nothing else: keep it in raw"));
    }

    @Test
    void rawIsUsedInsideOnly() {
        check(noClasses()
                .that()
                .resideOutsideOfPackages(
                        "io.gpunode.nvml.raw..", "io.gpunode.nvml.session..", "io.gpunode.nvml.typed..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.gpunode.nvml.raw..")
                .because("raw is C's names and layouts: let Nvml offer what is needed, in records"));
    }

    @Test
    void rawDecidesNothing() {
        check(noClasses()
                .that()
                .resideInAPackage("io.gpunode.nvml.raw..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.gpunode.nvml.session..", "io.gpunode.nvml.typed..")
                .because("raw is the lowest floor: move the decision up to session"));
    }

    @Test
    void theBindingKnowsNothingOfTheAgent() {
        check(noClasses()
                .that()
                .resideInAPackage("io.gpunode.nvml..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.gpunode.agent..")
                .because("the binding is of use to others: let the agent's gpu package adapt it"));
    }

    @Test
    void theBindingNeverSleepsOrPrints() {
        check(noClasses()
                .that()
                .resideInAPackage("io.gpunode.nvml..")
                .should()
                .callMethod(Thread.class, "sleep", long.class)
                .orShould()
                .accessField(System.class, "out")
                .orShould()
                .accessField(System.class, "err")
                .because("a binding has no time and no voice of its own: return a result or throw NvmlException"));
    }

    private static void check(ArchRule rule) {
        rule.allowEmptyShould(true).check(production);
    }
}
