package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.net.Download;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JobRunner;
import io.gpunode.agent.os.ModuleFile;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The four sources. All but {@code host} end in the {@link DriverStore}, and what is there already is taken from there, so that a reboot needs neither network nor
 * compiler. What this boot would refuse, for want of a signature, is refused here.
 */
public final class DriverSources implements DriverSource {
    private static final Log LOG = Log.of(DriverSources.class);
    private static final Path LOGS = Path.of("logs");

    private final HostFiles files;
    private final CommandRunner commands;
    private final DriverStore store;
    private final RunfileSource runfile;
    private final PackageSource packages;
    private final BundleSource bundle;
    private final HostSource host;
    private final DriverBuild build;

    /** @param files the host's */
    public DriverSources(
            HostFiles files,
            CommandRunner commands,
            JobRunner jobs,
            DriverStore store,
            Download download,
            MonotonicClock clock) {
        this.files = files;
        this.commands = commands;
        this.store = store;
        this.runfile =
                new RunfileSource(files, store, store.directory().resolve(DriverStore.DOWNLOADS), download, clock);
        this.packages = new PackageSource(files, commands, store, clock);
        this.bundle = new BundleSource(files, commands, store, clock);
        this.host = new HostSource(files, commands);
        this.build = new DriverBuild(files, commands, jobs, clock);
    }

    @Override
    public StagedDriver stage(DriverWish wish, KernelFacts kernel, Progress progress)
            throws DriverSourceException, InterruptedException {
        if (wish.settings().source() == AgentConfig.Driver.SourceKind.HOST) {
            StagedDriver driver = host.stage(wish, kernel);
            checkSigned(driver, wish, kernel.security());
            return driver;
        }
        Optional<StagedDriver> ready = ready(wish, kernel);
        if (ready.isPresent()) {
            checkSigned(ready.get(), wish, kernel.security());
            return ready.get();
        }
        Optional<ModuleSigning> signing = signing(wish, kernel);
        if (wish.settings().source() == AgentConfig.Driver.SourceKind.RUNFILE) {
            // It has no modules that are compiled already: what that needs is looked at before hundreds of megabytes
            // are fetched.
            build.tools(kernel, wish.settings().build());
        }
        try (DriverStore.Change change = store.change()) {
            DriverStore.Stored tree = tree(change, wish, kernel, progress);
            StagedDriver driver = modules(change, tree, wish, kernel, signing, progress);
            checkSigned(driver, wish, kernel.security());
            return driver;
        }
    }

    /** Bundles come with modules that may be signed: a key of one's own is asked for when they have to be compiled, and not before. */
    private Optional<ModuleSigning> signing(DriverWish wish, KernelFacts kernel) throws DriverSourceException {
        AgentConfig.Driver.Signing settings = wish.settings().signing();
        boolean own = !settings.key().isEmpty() || !settings.certificate().isEmpty();
        return own || wish.settings().source() == AgentConfig.Driver.SourceKind.RUNFILE
                ? ModuleSigning.open(files, commands, settings, kernel.security())
                : Optional.empty();
    }

    /**
     * The wanted driver for a kernel, where it lies in the store and is as it was put; nothing is fetched or compiled, and nothing is asked of a network. Cheap
     * enough for each start.
     */
    public Optional<StagedDriver> ready(DriverWish wish, KernelFacts kernel)
            throws DriverSourceException, InterruptedException {
        try {
            Optional<Set<String>> trees = storedTrees(wish, kernel);
            if (trees.isEmpty()) {
                return Optional.empty();
            }
            DriverStore.Pins pins = store.pins();
            StagedDriver best = null;
            for (DriverStore.Stored object : store.objects(DriverManifest.Kind.MODULES)) {
                if (trees.get().contains(object.manifest().tree())
                        && (best == null || better(object, best, pins))
                        && fits(object, wish, kernel)) {
                    Optional<StagedDriver> driver = store.staged(object);
                    if (driver.isPresent() && isWhole(driver.get())) {
                        best = driver.get();
                    }
                }
            }
            return best == null ? Optional.empty() : Optional.of(withBuilds(best));
        } catch (IOException e) {
            throw StorageFailure.of(files, "looking for a driver", store.directory(), e);
        }
    }

    private boolean isWhole(StagedDriver driver) throws IOException {
        List<String> problems = store.problems(driver);
        if (!problems.isEmpty()) {
            LOG.warn("a stored driver is damaged and is not used", "driver", driver.version(), "problems", problems);
        }
        return problems.isEmpty();
    }

    @Override
    public List<String> problems(StagedDriver driver) throws DriverSourceException, InterruptedException {
        if (driver.key().isEmpty()) {
            return host.problems(driver);
        }
        try {
            return store.problems(driver);
        } catch (IOException e) {
            throw StorageFailure.of(files, "looking at driver " + driver.version(), store.directory(), e);
        }
    }

    /** The same with what tells its modules from others of their version. */
    private StagedDriver withBuilds(StagedDriver driver) throws IOException, InterruptedException {
        List<StagedModule> modules = new ArrayList<>();
        for (StagedModule module : driver.modules()) {
            modules.add(
                    module.built(ModuleFile.read(files, module.path(), commands).sourceVersion()));
        }
        return driver.with(modules);
    }

    private boolean fits(DriverStore.Stored object, DriverWish wish, KernelFacts kernel)
            throws IOException, InterruptedException {
        DriverManifest modules = object.manifest();
        boolean mustBeSigned =
                !wish.settings().signing().key().isEmpty() || kernel.security().refusesUnsigned();
        return modules.kernel().equals(kernel.release())
                && modules.machine().equals(kernel.machine())
                && wish.accepts(modules.version())
                && (!mustBeSigned || isSigned(object))
                && modules.type().equals(Optional.of(type(modules, wish, kernel)));
    }

    /** By this agent, or by who made the package that they came in: the manifest tells of the one, the modules of the other. */
    private boolean isSigned(DriverStore.Stored object) throws InterruptedException {
        if (!object.manifest().signer().isEmpty()) {
            return true;
        }
        try {
            for (DriverManifest.Module module : object.manifest().modules()) {
                Path file = object.directory().resolve(module.file());
                if (ModuleFile.read(files, file, commands).signature().isEmpty()) {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            // Damaged, which is told when it is looked at for that.
            return false;
        }
    }

    /** Which modules are taken of a driver: the better ones that its files have. */
    private ModuleType type(DriverManifest modules, DriverWish wish, KernelFacts kernel)
            throws IOException, InterruptedException {
        Optional<DriverStore.Stored> tree = store.object(DriverManifest.Kind.TREE, modules.tree());
        return tree.isPresent() ? type(tree.get(), wish, kernel) : wish.type(modules.version());
    }

    private ModuleType type(DriverStore.Stored tree, DriverWish wish, KernelFacts kernel)
            throws IOException, InterruptedException {
        List<ModuleType> types = wish.types(tree.manifest().version());
        if (types.size() > 1) {
            Optional<ModuleType> brought = broughtType(broughtModules(tree, kernel));
            for (ModuleType type : types) {
                if (brought.equals(Optional.of(type))
                        || hasModules(tree, type, kernel)
                        || SourceTrees.find(files, tree, type).isPresent()) {
                    return type;
                }
            }
        }
        return types.getFirst();
    }

    private boolean hasModules(DriverStore.Stored tree, ModuleType type, KernelFacts kernel) throws IOException {
        return store.objects(DriverManifest.Kind.MODULES).stream()
                .map(DriverStore.Stored::manifest)
                .anyMatch(modules -> modules.tree().equals(tree.key())
                        && modules.kernel().equals(kernel.release())
                        && modules.type().equals(Optional.of(type)));
    }

    /** The newest version; of one version that which is in use, else the one that was put last. */
    private static boolean better(DriverStore.Stored driver, StagedDriver than, DriverStore.Pins pins) {
        int order = driver.manifest().version().compareTo(than.version());
        return order > 0 || (order == 0 && driver.key().equals(pins.current()));
    }

    /** The trees that the configured source would make, or among which it would choose, where they were made before; empty when it has to be asked. */
    private Optional<Set<String>> storedTrees(DriverWish wish, KernelFacts kernel)
            throws DriverSourceException, IOException {
        return switch (wish.settings().source()) {
            case RUNFILE -> runfile.stored(wish, kernel.machine()).map(tree -> Set.of(tree.key()));
            case PACKAGE -> packages.stored(wish).map(tree -> Set.of(tree.key()));
            case BUNDLE -> bundle.stored(wish);
            case HOST -> Optional.empty();
        };
    }

    private DriverStore.Stored tree(DriverStore.Change change, DriverWish wish, KernelFacts kernel, Progress progress)
            throws DriverSourceException, InterruptedException {
        List<String> damage = new ArrayList<>();
        try {
            return switch (wish.settings().source()) {
                case RUNFILE -> {
                    Optional<DriverStore.Stored> stored = whole(runfile.stored(wish, kernel.machine()), damage);
                    yield stored.isPresent() ? stored.get() : runfile.put(change, wish, kernel.machine(), progress);
                }
                case PACKAGE -> {
                    // One that is named in full and lies here needs no repository.
                    Optional<DriverStore.Stored> stored = whole(
                            packages.stored(wish)
                                    .filter(tree -> tree.manifest()
                                            .version()
                                            .text()
                                            .equals(wish.settings().version())),
                            damage);
                    yield stored.isPresent() ? stored.get() : packages.put(change, wish, kernel.machine(), progress);
                }
                case BUNDLE -> {
                    for (String key : bundle.stored(wish).orElse(Set.of())) {
                        whole(store.object(DriverManifest.Kind.TREE, key), damage);
                        whole(store.object(DriverManifest.Kind.MODULES, key), damage);
                    }
                    yield bundled(bundle.put(change, wish, kernel.machine(), progress), wish);
                }
                case HOST -> throw new IllegalStateException("the host's driver is not in the store");
            };
        } catch (DriverSourceException e) {
            if (damage.isEmpty()) {
                throw e;
            }
            throw new DriverSourceException(
                    e.kind(),
                    "the stored driver is damaged (" + damage.getFirst() + ") and cannot be put anew: " + e.getMessage()
                            + ". Then: gpu-node-agent driver install",
                    e);
        } catch (IOException e) {
            throw StorageFailure.of(files, "looking for a driver", store.directory(), e);
        }
    }

    /** An object, unless it is damaged. */
    private Optional<DriverStore.Stored> whole(Optional<DriverStore.Stored> stored, List<String> damage) {
        List<String> problems = stored.map(store::problems).orElse(List.of());
        damage.addAll(problems);
        return problems.isEmpty() ? stored : Optional.empty();
    }

    private DriverStore.Stored bundled(Set<String> keys, DriverWish wish) throws DriverSourceException, IOException {
        List<String> versions = new ArrayList<>();
        DriverStore.Stored best = null;
        for (DriverStore.Stored tree : store.objects(DriverManifest.Kind.TREE)) {
            DriverVersion version = tree.manifest().version();
            if (keys.contains(tree.key())) {
                versions.add(version.text());
                if (wish.accepts(version)
                        && (best == null || version.compareTo(best.manifest().version()) > 0)) {
                    best = tree;
                }
            }
        }
        if (best == null) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.UNUSABLE,
                    wish.settings().bundle().path() + " has driver " + String.join(", ", versions)
                            + ", and driver.version wants " + wish.settings().version()
                            + "; set driver.version to one of them, or name another bundle");
        }
        return best;
    }

    // ---- modules

    private StagedDriver modules(
            DriverStore.Change change,
            DriverStore.Stored tree,
            DriverWish wish,
            KernelFacts kernel,
            Optional<ModuleSigning> signing,
            Progress progress)
            throws DriverSourceException, InterruptedException {
        try {
            ModuleType type = type(tree, wish, kernel);
            String signer = signing.map(ModuleSigning::fingerprint).orElse("");
            for (DriverStore.Stored stored : store.objects(DriverManifest.Kind.MODULES)) {
                DriverManifest manifest = stored.manifest();
                boolean signed = signer.isEmpty()
                        ? wish.settings().source() == AgentConfig.Driver.SourceKind.BUNDLE
                                || manifest.signer().isEmpty()
                        : manifest.signer().equals(signer);
                if (manifest.tree().equals(tree.key())
                        && manifest.kernel().equals(kernel.release())
                        && manifest.type().equals(Optional.of(type))
                        && signed) {
                    Optional<StagedDriver> driver = store.find(stored.key());
                    if (driver.isPresent() && isWhole(driver.get())) {
                        return withBuilds(driver.get());
                    }
                }
            }
            Path out = change.draft();
            Optional<List<DriverManifest.Module>> prebuilt = prebuilt(tree, type, kernel, out);
            List<DriverManifest.Module> modules;
            if (prebuilt.isPresent()) {
                modules = prebuilt.get();
                signer = "";
            } else {
                modules = compiled(change, tree, type, wish, kernel, signing, out, progress);
            }
            DriverStore.Stored stored = change.put(
                    out,
                    new DriverStore.Description(
                            DriverManifest.Kind.MODULES,
                            tree.manifest().version(),
                            kernel.machine(),
                            Optional.of(type),
                            kernel.release(),
                            signer,
                            tree.key(),
                            "",
                            modules),
                    progress);
            return withBuilds(store.find(stored.key())
                    .orElseThrow(() -> new IOException("driver " + stored.key() + " was put and is gone")));
        } catch (IOException e) {
            throw StorageFailure.of(files, "storing kernel modules", store.directory(), e);
        }
    }

    /** Modules that came in packages, for exactly this kernel. */
    private Optional<List<DriverManifest.Module>> prebuilt(
            DriverStore.Stored tree, ModuleType type, KernelFacts kernel, Path out)
            throws DriverSourceException, IOException, InterruptedException {
        List<Path> found = broughtModules(tree, kernel);
        if (!broughtType(found).equals(Optional.of(type))) {
            return Optional.empty();
        }
        for (Path file : found) {
            Files.copy(files.resolve(file), files.resolve(out).resolve(Objects.requireNonNull(file.getFileName())));
        }
        return Optional.of(
                BuiltModules.describe(files, commands, out, tree.manifest().version(), kernel));
    }

    private static List<Path> broughtModules(DriverStore.Stored tree, KernelFacts kernel) {
        List<Path> found = new ArrayList<>();
        for (String file : tree.manifest().files().keySet()) {
            boolean here = file.startsWith(DriverStore.ROOT + "/lib/modules/" + kernel.release() + "/")
                    || file.startsWith(DriverStore.ROOT + "/usr/lib/modules/" + kernel.release() + "/");
            String name = file.substring(file.lastIndexOf('/') + 1);
            if (here && name.startsWith("nvidia") && name.contains(".ko")) {
                found.add(tree.directory().resolve(file));
            }
        }
        return found;
    }

    /** Of which type these modules are; empty when {@code nvidia} is not among them. */
    private Optional<ModuleType> broughtType(List<Path> modules) throws IOException, InterruptedException {
        Optional<ModuleType> type = Optional.empty();
        for (Path file : modules) {
            if (BuiltModules.name(Objects.requireNonNull(file.getFileName()).toString())
                    .equals(ModuleGraph.CORE)) {
                type = Optional.of(
                        ModuleFile.read(files, file, commands).licence().contains("GPL")
                                ? ModuleType.OPEN
                                : ModuleType.PROPRIETARY);
            }
        }
        return type;
    }

    private List<DriverManifest.Module> compiled(
            DriverStore.Change change,
            DriverStore.Stored tree,
            ModuleType type,
            DriverWish wish,
            KernelFacts kernel,
            Optional<ModuleSigning> signing,
            Path out,
            Progress progress)
            throws DriverSourceException, IOException, InterruptedException {
        DriverVersion version = tree.manifest().version();
        Path sources = SourceTrees.find(files, tree, type)
                .orElseThrow(
                        () -> new DriverSourceException(
                                DriverSourceException.Kind.UNUSABLE,
                                "driver " + version + " has neither " + type.text() + " kernel modules for "
                                        + kernel.release()
                                        + " nor their sources: set driver.kernelModuleType to the other type, or bring a bundle that has them"));
        Optional<ModuleSigning> signs = signing.isPresent()
                ? signing
                : ModuleSigning.open(files, commands, wish.settings().signing(), kernel.security());
        return build.build(
                new DriverBuild.Order(
                        sources,
                        version,
                        kernel,
                        wish.settings().build(),
                        signs,
                        change.draft(),
                        out,
                        log(version, kernel)),
                progress);
    }

    private Path log(DriverVersion version, KernelFacts kernel) {
        return store.directory().resolve(LOGS).resolve("build-" + version + "-" + kernel.release() + ".log");
    }

    /** What a load would fail with is told before anything is unloaded for it. */
    private void checkSigned(StagedDriver driver, DriverWish wish, BootSecurity security)
            throws DriverSourceException, InterruptedException {
        if (!security.refusesUnsigned()) {
            return;
        }
        for (StagedModule module : driver.modules()) {
            Optional<ModuleFile.Signature> signature;
            try {
                signature = ModuleFile.read(files, module.path(), commands).signature();
            } catch (IOException e) {
                throw StorageFailure.of(files, "looking at the signature of " + module.name(), module.path(), e);
            }
            if (signature.isEmpty()) {
                throw new DriverSourceException(
                        DriverSourceException.Kind.UNUSABLE,
                        "the module " + module.path()
                                + " is not signed, and this kernel refuses such (Secure Boot, lockdown or"
                                + " module.sig_enforce): bring modules that are signed, or have them compiled and signed here"
                                + " (driver.signing.key, driver.signing.certificate); nothing was changed");
            }
            ModuleSigning.checkTrusted(files, wish.settings().signing(), security, module.path(), signature.get());
        }
    }

    // ---- what commands ask for

    /** What {@link #stage} would do, in sentences, without doing it: nothing is fetched, written or compiled. */
    public List<String> plan(DriverWish wish, KernelFacts kernel) throws DriverSourceException, InterruptedException {
        if (wish.settings().source() == AgentConfig.Driver.SourceKind.HOST) {
            StagedDriver driver = host.stage(wish, kernel);
            return List.of("take driver " + driver.version() + " ("
                    + driver.type().text() + ") that the host has installed for kernel " + driver.kernel());
        }
        Optional<StagedDriver> ready = ready(wish, kernel);
        if (ready.isPresent()) {
            StagedDriver driver = ready.get();
            return List.of(
                    "take driver " + driver.version() + " (" + driver.type().text() + ") for kernel " + driver.kernel()
                            + " from the store, key " + driver.key());
        }
        List<String> steps = new ArrayList<>();
        try {
            Optional<Set<String>> trees = storedTrees(wish, kernel);
            if (trees.isEmpty()) {
                checkThere(wish);
            }
            steps.add(
                    trees.isPresent()
                            ? "take the driver's files from the store, key " + String.join(" or ", trees.get())
                            : switch (wish.settings().source()) {
                                case RUNFILE ->
                                    wish.settings().runfile().file().isEmpty()
                                            ? "fetch, check and unpack "
                                                    + wish.settings().runfile().url()
                                            : "check and unpack "
                                                    + wish.settings().runfile().file();
                                case PACKAGE ->
                                    "fetch and unpack packages of "
                                            + Distribution.read(files).name();
                                case BUNDLE ->
                                    "check and take over the bundle "
                                            + wish.settings().bundle().path();
                                case HOST -> "";
                            });
        } catch (IOException e) {
            throw StorageFailure.of(files, "looking for a driver", store.directory(), e);
        }
        Optional<ModuleSigning> signing = signing(wish, kernel);
        if (wish.settings().source() == AgentConfig.Driver.SourceKind.BUNDLE) {
            steps.add("take its modules for kernel " + kernel.release() + ", or compile them where it has none");
            return steps;
        }
        DriverBuild.Tools tools = build.tools(kernel, wish.settings().build());
        steps.add("compile its modules for kernel " + kernel.release() + " with "
                + tools.compiler().program() + " ("
                + tools.compiler().said() + ") against " + tools.headers() + " in " + tools.jobs()
                + (tools.jobs() == 1 ? " job" : " jobs"));
        steps.add(
                signing.isPresent()
                        ? "sign them with the key whose certificate has the SHA-256 "
                                + signing.get().fingerprint()
                        : "leave them unsigned");
        steps.add("put both into " + store.directory());
        return steps;
    }

    /** What a plan is to begin with has to be there. */
    private void checkThere(DriverWish wish) throws DriverSourceException {
        String runfile = wish.settings().runfile().file();
        switch (wish.settings().source()) {
            case BUNDLE -> bundle.checkThere(wish);
            case RUNFILE -> {
                if (!runfile.isEmpty() && !files.exists(Path.of(runfile))) {
                    throw new DriverSourceException(
                            DriverSourceException.Kind.UNUSABLE,
                            "there is no file " + runfile
                                    + ": copy it there, or name where it is (driver.runfile.file, or"
                                    + " --runfile FILE)");
                }
            }
            case HOST, PACKAGE -> {
                // The host is looked at, and a repository asked, when it is done.
            }
        }
    }

    /** Writes drivers of the store into an archive that {@code driver.source: bundle} takes. */
    public void writeBundle(List<String> keys, Path archive) throws DriverSourceException, InterruptedException {
        try (DriverStore.Change change = store.change()) {
            bundle.write(change, keys, archive);
        }
    }

    /** Removes what is neither pinned nor among the {@code keep} newest others. */
    public List<StagedDriver> prune(int keep, boolean dryRun) throws DriverSourceException {
        try {
            if (dryRun) {
                return store.prunable(keep);
            }
            try (DriverStore.Change change = store.change()) {
                return change.prune(keep);
            }
        } catch (IOException e) {
            throw StorageFailure.of(files, "pruning", store.directory(), e);
        }
    }

    /** What the store has, by key. */
    public Map<String, Long> sizes() throws IOException {
        Map<String, Long> sizes = new TreeMap<>();
        for (DriverManifest.Kind kind : DriverManifest.Kind.values()) {
            for (DriverStore.Stored stored : store.objects(kind)) {
                sizes.put(stored.key(), stored.manifest().size());
            }
        }
        return sizes;
    }
}
