package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A driver as it is to run, with everything that decides how: what a change goes to, and what it goes back to. Immutable; what it names lies on this
 * machine's disk.
 *
 * @param driver what is loaded; empty for no driver
 * @param modules what of it is loaded, in that order, {@code nvidia} first; empty with no driver
 * @param firmwarePath where the kernel is to look for firmware; empty to leave that as it is
 * @param daemons those that are started whether the node needs them or not, since they ran before; those that it needs are started in any case
 * @param attach whether containers are to find its files at {@link DriverRoot#POINT}
 */
public record DriverTarget(
        Optional<StagedDriver> driver,
        List<Module> modules,
        String firmwarePath,
        Set<DaemonKind> daemons,
        boolean attach) {
    /** No driver. */
    public static final DriverTarget NONE = new DriverTarget(Optional.empty(), List.of(), "", Set.of(), false);

    /** Of a driver whose modules do not say which they are of. */
    private static final DriverVersion UNKNOWN = new DriverVersion("0.0");

    /**
     * One module of it.
     *
     * @param name with underscores
     * @param byName whether modprobe finds its file; else it is that of the staged driver
     * @param parameters those that are given, in their order
     */
    public record Module(String name, boolean byName, Map<String, String> parameters) {
        public Module {
            parameters = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
        }
    }

    public DriverTarget {
        modules = List.copyOf(modules);
        daemons = Set.copyOf(daemons);
        if (driver.isEmpty() != modules.isEmpty()) {
            throw new IllegalArgumentException("a driver has modules, and modules have a driver");
        }
    }

    /**
     * What the configuration makes of a driver.
     *
     * @param peermem whether GPUDirect RDMA is wanted, decided
     * @throws IllegalArgumentException when the driver lacks a module that is wanted; the message says which and what to do
     */
    static DriverTarget of(StagedDriver driver, DriverWish wish, boolean peermem) {
        Set<String> wanted = new LinkedHashSet<>();
        wanted.add(ModuleGraph.CORE);
        wish.settings().modules().others().forEach(name -> wanted.add(kernelName(name)));
        if (peermem) {
            wanted.add("nvidia_peermem");
        }
        if (wanted.contains("nvidia_drm")) {
            wanted.add("nvidia_modeset");
        }
        List<Module> modules = new ArrayList<>();
        for (StagedModule module : driver.modules()) {
            if (wanted.remove(module.name())) {
                modules.add(new Module(module.name(), driver.key().isEmpty(), parameters(module.name(), wish)));
            }
        }
        if (!wanted.isEmpty()) {
            throw new IllegalArgumentException("driver " + driver.version() + " has no kernel module "
                    + String.join(", ", wanted) + " for kernel " + driver.kernel()
                    + ": take it out of driver.modules, or have the driver installed with it");
        }
        Set<DaemonKind> daemons = new LinkedHashSet<>(List.of(DaemonKind.values()));
        return new DriverTarget(
                Optional.of(driver),
                modules,
                firmware(driver, wish),
                daemons,
                wish.settings().root().attach());
    }

    private static String firmware(StagedDriver driver, DriverWish wish) {
        String configured = wish.settings().modules().firmwarePath();
        return configured.isEmpty()
                ? driver.firmware().map(path -> path.toString()).orElse("")
                : configured;
    }

    private static Map<String, String> parameters(String module, DriverWish wish) {
        for (Map.Entry<String, Map<String, String>> each :
                wish.settings().modules().parameters().entrySet()) {
            if (kernelName(each.getKey()).equals(module)) {
                return each.getValue();
            }
        }
        return Map.of();
    }

    /**
     * What is there now, so that it can come back.
     *
     * @param known what was brought up last: it says more than the kernel does, where it is the driver that runs, even if a module of it has gone
     */
    static DriverTarget of(DriverPicture picture, DriverTarget known) {
        if (!picture.loaded()) {
            return NONE;
        }
        if (!known.isNone()
                && known.driver().orElseThrow().kernel().equals(picture.kernel())
                && picture.running()
                        .filter(running -> running.version()
                                        .equals(known.driver().orElseThrow().version())
                                && running.type()
                                        == known.driver().orElseThrow().type())
                        .isPresent()) {
            return new DriverTarget(
                    known.driver, known.modules, picture.firmwarePath(), picture.daemons(), picture.detachable());
        }
        List<Module> modules = new ArrayList<>();
        List<StagedModule> files = new ArrayList<>();
        for (String name : picture.modules().unloadOrder().reversed()) {
            if (ModuleGraph.KNOWN.contains(name)) {
                modules.add(new Module(name, true, Map.of()));
                files.add(new StagedModule(name, Path.of("/lib/modules"), "", List.of(), List.of(), ""));
            }
        }
        if (modules.isEmpty()) {
            return NONE;
        }
        Optional<DriverVersion> declared =
                picture.modules().find(ModuleGraph.CORE).flatMap(core -> DriverVersion.parse(core.version()));
        StagedDriver driver = new StagedDriver(
                picture.running()
                        .map(ObservedDriver.RunningDriver::version)
                        .or(() -> declared)
                        .orElse(UNKNOWN),
                picture.running().map(ObservedDriver.RunningDriver::type).orElse(ModuleType.PROPRIETARY),
                picture.kernel(),
                files,
                Path.of("/"),
                Optional.empty(),
                "");
        return new DriverTarget(
                Optional.of(driver), modules, picture.firmwarePath(), picture.daemons(), picture.detachable());
    }

    /** The same with these daemons, which run before the change and are to run after it. */
    DriverTarget keeping(Set<DaemonKind> running) {
        return isNone() ? this : new DriverTarget(driver, modules, firmwarePath, running, attach);
    }

    /** As the kernel writes it. */
    static String kernelName(String module) {
        return module.replace('-', '_');
    }

    /** Whether its files lie apart from the host's, and are to be found where containers look for them. */
    boolean isApart() {
        return attach
                && driver.filter(staged -> staged.userspaceRoot().getNameCount() > 0)
                        .isPresent();
    }

    /** Whether no driver is to be loaded. */
    public boolean isNone() {
        return driver.isEmpty();
    }

    /** Its version; empty for no driver. */
    public Optional<DriverVersion> version() {
        return driver.map(StagedDriver::version);
    }

    /** For people: {@code 580.95.05 (open)}, or {@code no driver}. */
    public String text() {
        return driver.map(staged -> staged.version() + " (" + staged.type().text() + ")")
                .orElse("no driver");
    }

    /** The same with the parameters of its modules: what is not tried again with the same words may well work with others. */
    String wording() {
        StringBuilder out = new StringBuilder(text());
        for (Module module : modules) {
            module.parameters()
                    .forEach((name, value) -> out.append(' ')
                            .append(module.name())
                            .append('.')
                            .append(name)
                            .append('=')
                            .append(value));
        }
        return out.toString();
    }
}
