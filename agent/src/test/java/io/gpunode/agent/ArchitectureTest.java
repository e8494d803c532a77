package io.gpunode.agent;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The package map of the agent and the calls that only one package may make. Each rule says what to do instead; the map itself is drawn in
 * {@code docs/architecture.md}.
 */
class ArchitectureTest {
    private static final String AGENT = "io.gpunode.agent.";

    private static final List<String> FEATURES =
            List.of("driver", "deviceplugin", "cdi", "metrics", "labels", "mig", "health", "admin");

    /** Rooms that any package above model may use. They know nothing of the features that use them. */
    private static final List<String> SIDE_ROOMS = List.of(
            "attribution",
            "config",
            "json",
            "kubernetes",
            "lifecycle",
            "log",
            "meters",
            "net",
            "os",
            "podresources",
            "time");

    private static JavaClasses production;
    private static JavaClasses everything;

    @BeforeAll
    static void importClasses() {
        everything = new ClassFileImporter().importPackages("io.gpunode.agent");
        production = new ClassFileImporter()
                .withImportOption(new ImportOption.DoNotIncludeTests())
                .importPackages("io.gpunode.agent");
    }

    // ---- what is read of each GPU

    @Test
    void whatHealthAndStatusShowIsAlwaysRead() {
        // When
        Set<String> needed = production.stream()
                .filter(type -> type.getPackageName().startsWith(AGENT + "health")
                        || type.getPackageName().startsWith(AGENT + "admin"))
                .flatMap(type -> type.getFieldAccessesFromSelf().stream())
                .filter(access -> access.getTargetOwner().isEquivalentTo(Quantity.class))
                .map(access -> access.getTarget().getName())
                .collect(Collectors.toCollection(TreeSet::new));
        // Takes GPM, which is left alone unless a field asks for it: the page says "not read" then.
        needed.remove(Quantity.GRAPHICS_ENGINE_ACTIVE.name());

        // Then
        assertThat(needed)
                .as("add the quantity to model.WantedReadings.ALWAYS: nobody else asks for it")
                .isNotEmpty()
                .allSatisfy(name -> assertThat(WantedReadings.ALWAYS.wants(Quantity.valueOf(name)))
                        .as(name)
                        .isTrue());
    }

    // ---- the map

    @ParameterizedTest
    @MethodSource("features")
    void aFeatureDoesNotKnowTheOthers(String feature) {
        String[] others = FEATURES.stream()
                .filter(other -> !other.equals(feature))
                .map(ArchitectureTest::packageOf)
                .toArray(String[]::new);

        checkProduction(noClasses()
                .that()
                .resideInAPackage(packageOf(feature))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(others)
                .because(
                        "features meet in the NodeSnapshot: publish the fact through inventory and read it from the next"
                                + " snapshot, or let cli hand over an interface that the other side owns"));
    }

    static Stream<String> features() {
        return FEATURES.stream();
    }

    @Test
    void modelNeedsNothingButTheLanguage() {
        checkProduction(
                noClasses()
                        .that()
                        .resideInAPackage(packageOf("model"))
                        .should()
                        .dependOnClassesThat(resideOutsideOfPackages("java..", "org.jspecify..", packageOf("model")))
                        .because(
                                "model is the words of the domain: move what does I/O, logs or converts into the package that needs it"));
    }

    @Test
    void modelReadsNoFilesAndOpensNoSockets() {
        checkProduction(noClasses()
                .that()
                .resideInAPackage(packageOf("model"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("java.io..", "java.nio..", "java.net..", "java.util.logging..")
                .because("model is records and sealed types: take the content as a parameter, let os read the host"));
    }

    @Test
    void inventoryDoesNotKnowItsReaders() {
        checkProduction(noClasses()
                .that()
                .resideInAPackage(packageOf("inventory"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(packagesOf(FEATURES))
                .because(
                        "inventory publishes and does not ask who reads: let the feature subscribe to SnapshotSource"));
    }

    @Test
    void onlyTheOnesWhoAskNvmlKnowItsDoor() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(
                        packagesOf("gpu", "inventory", "health", "mig", "driver", "simulation", "assembly"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(packageOf("gpu"))
                .because(
                        "nobody but inventory, health, mig and driver asks NVML for anything: read the NodeSnapshot, and add to it"
                                + " what is missing there"));
    }

    @Test
    void theDoorToNvmlDoesNotKnowWhoUsesIt() {
        checkProduction(noClasses()
                .that()
                .resideInAPackage(packageOf("gpu"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(Stream.concat(Stream.of(packageOf("inventory")), Stream.of(packagesOf(FEATURES)))
                        .toArray(String[]::new))
                .because("gpu turns NVML into model: return a result, or take an interface that gpu owns"));
    }

    @Test
    void nvmlIsImportedByItsDoorOnly() {
        checkProduction(
                noClasses()
                        .that()
                        .resideOutsideOfPackage(packageOf("gpu"))
                        .should()
                        .dependOnClassesThat(resideInAPackage("io.gpunode.nvml..")
                                .and(resideOutsideOfPackages("io.gpunode.nvml.simulator..")))
                        .because(
                                "gpu is the one door to NVML, with a lane and a deadline for each GPU: ask it, in words of model"));
    }

    @Test
    void theSimulatorIsImportedBySimulationOnly() {
        checkProduction(
                noClasses()
                        .that()
                        .resideOutsideOfPackage(packageOf("simulation"))
                        .should()
                        .dependOnClassesThat()
                        .resideInAPackage("io.gpunode.nvml.simulator..")
                        .because(
                                "the agent cannot tell a simulated node from a real one: it is given another driver root, nothing more"));
    }

    @Test
    void sideRoomsDoNotKnowTheHouse() {
        checkProduction(
                noClasses()
                        .that()
                        .resideInAnyPackage(packagesOf(SIDE_ROOMS))
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage(Stream.concat(
                                        Stream.of(packagesOf("gpu", "inventory", "simulation", "assembly", "cli")),
                                        Stream.of(packagesOf(FEATURES)))
                                .toArray(String[]::new))
                        .because(
                                "a side room serves all and knows none: take what you need as a parameter or as an interface of your own"));
    }

    @Test
    void theAssemblyIsUsedByTheCommandLineOnly() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("assembly", "cli"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(packageOf("assembly"))
                .because("assembly makes every service and is known to none: take what you need in the constructor"));
    }

    @Test
    void nobodyImportsTheCommandLine() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackage(packageOf("cli"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(packageOf("cli"))
                .because("cli wires everything and is used by nothing: move what two packages need below both"));
    }

    @Test
    void onlyTheCommandLineImportsTheSimulation() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("simulation", "cli"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage(packageOf("simulation"))
                .because("production code has no test switch: start the simulation from the simulate command"));
    }

    // ---- who may use which library

    @Test
    void theKubeletsMessagesStayAtTheEdge() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("deviceplugin", "simulation"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.gpunode.deviceplugin..", "io.gpunode.pluginregistration..")
                .because("deviceplugin converts protobuf at its edge: speak in words of model elsewhere"));
    }

    @Test
    void podResourcesMessagesStayAtTheEdge() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("podresources", "simulation"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.gpunode.podresources..")
                .because("podresources keeps one cached picture for all users: read PodResourcesSource"));
    }

    @Test
    void picocliIsForTheCommandLine() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackage(packageOf("cli"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("picocli..")
                .because("arguments are parsed in cli: take a record of config instead"));
    }

    @Test
    void yamlIsReadByTheConfiguration() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("config", "doctor", "kubernetes"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.snakeyaml..")
                .because(
                        "config has the one strict loader, with a place for every problem: give it a record to fill; kubeconfig files"
                                + " are others' format, which kubernetes reads"));
    }

    @Test
    void serversAreSpokenToByTwoRooms() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("kubernetes", "net"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.net.http..")
                .because(
                        "kubernetes keeps the one connection to the API server, its limits and its credentials: give it an errand;"
                                + " files are fetched by net.Download"));
    }

    @Test
    void otherProgramsConfigurationIsReadByTheDoctor() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackage(packageOf("doctor"))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.electronwill..")
                .because(
                        "TOML is read by the doctor command alone, so that the daemon never loads a parser for it: tell the"
                                + " daemon through its own configuration"));
    }

    @Test
    void theDoctorIsCalledByTheCommandLineOnly() {
        checkProduction(
                noClasses()
                        .that()
                        .resideOutsideOfPackages(packagesOf("doctor", "cli"))
                        .should()
                        .dependOnClassesThat()
                        .resideInAPackage(packageOf("doctor"))
                        .because(
                                "the doctor looks at the node from outside, also when no agent runs: what the daemon knows it tells in /state"));
    }

    @Test
    void theDoctorLooksFromOutside() {
        checkProduction(noClasses()
                .that()
                .resideInAPackage(packageOf("doctor"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(Stream.concat(
                                Stream.of(packagesOf("gpu", "inventory", "simulation", "assembly", "cli")),
                                Stream.of(packagesOf(FEATURES)))
                        .toArray(String[]::new))
                .because(
                        "the doctor must work while the agent does not: read the host's files, or the agent's /state"));
    }

    @Test
    void metersLibrariesAreForMetricsAndAdmin() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("metrics", "admin"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.micrometer..", "io.prometheus..")
                .because("who publishes a meter is not its owner's business: count and time through meters.Meters"));
    }

    @Test
    void nativeCodeOfTheHostIsForOs() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackage(packageOf("os"))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("com.sun.jna..", "java.lang.foreign..")
                .because("native calls live in nvml-bindings, or in os for libc: add an interface to os"));
    }

    // ---- calls that only one package may make

    @Test
    void processesAreStartedByOs() {
        checkProduction(
                noClasses()
                        .that()
                        .resideOutsideOfPackage(packageOf("os"))
                        .should()
                        .accessTargetWhere(on("java.lang.ProcessBuilder", "start", "startPipeline", "<init>")
                                .or(on("java.lang.Runtime", "exec")))
                        .because(
                                "a process needs a time limit, an output limit and its exit status read: use os.CommandRunner"));
    }

    @Test
    void nobodySleeps() {
        checkEverything(noClasses()
                .should()
                .accessTargetWhere(on("java.lang.Thread", "sleep").or(on("java.util.concurrent.TimeUnit", "sleep")))
                .because(
                        "a sleep cannot be woken or tested: wait on a condition with a deadline, or schedule through lifecycle;"
                                + " a test drives ManualTime or awaits an event with a bound"));
    }

    @Test
    void clocksAreReadByTime() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackage(packageOf("time"))
                .should()
                .accessTargetWhere(on("java.lang.System", "nanoTime", "currentTimeMillis")
                        .or(on("java.time.Clock", "system", "systemUTC", "systemDefaultZone", "tick"))
                        .or(on("java.time.InstantSource", "system"))
                        .or(argumentlessNow())
                        .or(on("java.util.Date", "<init>")))
                .because(
                        "time is given, not taken: accept a time.MonotonicClock for deadlines and rates, a java.time.InstantSource for what"
                                + " people read"));
    }

    @Test
    void waitsHaveABound() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("cli", "simulation"))
                .should()
                .accessTargetWhere(argumentless(on("java.util.concurrent.Future", "get")
                                .or(on("java.util.concurrent.CompletableFuture", "get", "join")))
                        .or(argumentless(on("java.util.concurrent.CountDownLatch", "await")))
                        .or(argumentless(on("java.lang.Thread", "join")))
                        .or(argumentless(on("java.lang.Process", "waitFor"))))
                .because(
                        "every wait has a bound: pass a time limit and say what happens when it is reached (resultNow() reads a finished"
                                + " future)"));
    }

    @Test
    void theProcessIsEndedByTheCommandLine() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackage(packageOf("cli"))
                .should()
                .accessTargetWhere(on("java.lang.System", "exit").or(on("java.lang.Runtime", "exit", "halt")))
                .because("only cli maps failures to exit codes: throw, or report through lifecycle"));
    }

    @Test
    void printingIsForTheCommandLine() {
        checkProduction(noClasses()
                .that()
                .resideOutsideOfPackages(packagesOf("cli", "log"))
                .should()
                .accessTargetWhere(
                        on("java.lang.System", "out", "err").or(on("java.lang.Throwable", "printStackTrace")))
                .because(
                        "standard output belongs to the commands: log through log.Log, with keys from its vocabulary"));
    }

    @Test
    void loggingGoesThroughTheLog() {
        checkProduction(
                noClasses()
                        .that()
                        .resideOutsideOfPackages(packagesOf("cli", "log"))
                        .should()
                        .dependOnClassesThat(resideInAnyPackage("java.util.logging..", "org.slf4j..")
                                .or(describe(
                                        "System.Logger", type -> type.getName().startsWith("java.lang.System$Logger"))))
                        .because(
                                "there is one log with one format: use log.Log (what Netty and gRPC write is led there by cli)"));
    }

    // ---- helpers

    private static void checkProduction(ArchRule rule) {
        rule.allowEmptyShould(true).check(production);
    }

    private static void checkEverything(ArchRule rule) {
        rule.allowEmptyShould(true).check(everything);
    }

    private static String packageOf(String room) {
        return AGENT + room + "..";
    }

    private static String[] packagesOf(String... rooms) {
        return packagesOf(List.of(rooms));
    }

    private static String[] packagesOf(List<String> rooms) {
        return rooms.stream().map(ArchitectureTest::packageOf).toArray(String[]::new);
    }

    /** A member of the named class or, as for {@code Future.get}, of what inherits it. */
    private static DescribedPredicate<JavaAccess<?>> on(String owner, String... members) {
        Set<String> names = Set.of(members);
        return describe(
                owner + "." + String.join("/", members),
                access -> names.contains(access.getTarget().getName())
                        && access.getTarget().getOwner().isAssignableTo(owner));
    }

    private static DescribedPredicate<JavaAccess<?>> argumentless(DescribedPredicate<JavaAccess<?>> call) {
        return call.and(describe("without a time limit", ArchitectureTest::hasNoParameters));
    }

    private static DescribedPredicate<JavaAccess<?>> argumentlessNow() {
        return describe("now() of java.time", access -> {
            JavaClass owner = access.getTarget().getOwner();
            return owner.getPackageName().startsWith("java.time")
                    && access.getTarget().getName().equals("now")
                    && hasNoParameters(access);
        });
    }

    private static boolean hasNoParameters(JavaAccess<?> access) {
        return access.getTarget() instanceof AccessTarget.CodeUnitAccessTarget target
                && target.getRawParameterTypes().isEmpty();
    }
}
