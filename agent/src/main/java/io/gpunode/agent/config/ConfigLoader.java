package io.gpunode.agent.config;

import io.gpunode.agent.config.AgentConfig.LabelOutput;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.NamedConfigurations.Choice;
import io.gpunode.agent.config.Support.NoEffect;
import io.gpunode.agent.config.Support.OnlyOff;
import io.gpunode.agent.net.UnixSockets;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Loads the configuration: command line over environment over file over default. Every source is read and checked whole, also where another
 * one wins, and all problems are told at once. Stateless; loading again is a reload.
 */
public final class ConfigLoader {
    /** Under the MIG strategy mixed the profiles of the node make names; few are longer than this. */
    private static final String LONG_MIG_NAME = "nvidia.com/mig-1g.24gb.gfx";

    private final Map<String, String> environment;
    private final Supplier<String> hostName;
    private final Path defaultFile;
    private final FieldRules fieldRules;

    /**
     * @param environment the process's environment variables
     * @param hostName the host's name; asked only when no node name is set
     * @param defaultFile read when it exists and no file is named
     * @param fieldRules says what is to say about the choice of a metric field; asked only when other fields than the default ones are chosen
     */
    public ConfigLoader(
            Map<String, String> environment, Supplier<String> hostName, Path defaultFile, FieldRules fieldRules) {
        this.environment = environment;
        this.hostName = hostName;
        this.defaultFile = defaultFile;
        this.fieldRules = fieldRules;
    }

    /**
     * Loads, without what an API server knows.
     *
     * @param flags settings of the command line, each at most once
     * @param fileFlag the file that the command line names; empty to look at the environment and then at the default place
     * @throws ConfigException with every problem
     */
    public LoadedConfig load(List<FlagValue> flags, Optional<String> fileFlag) throws ConfigException {
        return load(flags, fileFlag, ClusterSources.NOT_ASKED);
    }

    /**
     * Loads. Reads the file, the selection file, the named configuration that is chosen and the field file, and nothing else.
     *
     * @param cluster what an API server knows, such as the label that chooses the named configuration; not waited for
     * @throws ConfigException with every problem
     */
    public LoadedConfig load(List<FlagValue> flags, Optional<String> fileFlag, ClusterSources cluster)
            throws ConfigException {
        Report report = new Report(strict(flags));
        Map<Path, String> stamps = new LinkedHashMap<>();
        Optional<Path> file = file(fileFlag, stamps, report);
        Map<Setting<?>, Written> inFile = new HashMap<>();
        List<ExporterFile> exporters = new ArrayList<>();
        if (file.isPresent()) {
            take(ConfigFile.read(file.get(), report), inFile, exporters);
        }
        exportersFile(flags, inFile, exporters, stamps, report);
        Optional<ChosenConfiguration> named = named(flags, inFile, cluster.labels(), stamps, report);
        Values values = new Values();
        for (Setting<?> setting : ConfigSchema.ALL) {
            decide(setting, flags, inFile, values, report);
        }
        misspeltVariables(report);
        fillIn(values);
        new ChosenFields(values, fieldRules, cluster.configMaps(), stamps, report).choose();
        for (ExporterFile exporter : exporters) {
            exporter.check(values.get(ConfigSchema.METRICS_FIELDS));
        }
        checkTogether(values, report);
        if (!report.problems().isEmpty()) {
            throw new ConfigException(report.problems(), new FileStamps(stamps));
        }
        return new LoadedConfig(
                values.assemble(), values.served(), report.notices(), file, named, new FileStamps(stamps));
    }

    /**
     * Checks a file, or every named configuration in a directory.
     *
     * @return what is accepted without effect
     * @throws ConfigException with every problem
     */
    public List<Problem> check(String name) throws ConfigException {
        if (name.isEmpty() || name.indexOf('\0') >= 0 || !Files.isDirectory(Path.of(absolute(name)))) {
            return load(List.of(), Optional.of(name)).notices();
        }
        Path directory = Path.of(absolute(name));
        Report report = new Report(strict(List.of()));
        List<Problem> problems = new ArrayList<>();
        List<Problem> notices = new ArrayList<>();
        List<String> files =
                ConfigFile.names(directory, new Place(name, name), report).orElse(List.of());
        for (String file : files) {
            try {
                List<FlagValue> chosen = List.of(
                        flag(ConfigSchema.DIRECTORY, directory.toString()), flag(ConfigSchema.DEFAULT_NAME, file));
                notices.addAll(load(chosen, Optional.empty()).notices());
            } catch (ConfigException e) {
                problems.addAll(e.problems());
            }
        }
        problems.addAll(report.problems());
        if (files.isEmpty() && problems.isEmpty()) {
            problems.add(new Problem(name, "", "holds no configuration", "name a file, or a directory of files"));
        }
        if (!problems.isEmpty()) {
            throw new ConfigException(problems, new FileStamps(Map.of()));
        }
        return notices;
    }

    private static FlagValue flag(Setting<String> setting, String text) {
        return new FlagValue(setting, setting.flags().getFirst(), text);
    }

    /** A value of a file, and how strong the file is. */
    private record Written(RawValue value, int rank) {}

    /** Takes what a file says, where no file before it has said something. */
    private static void take(
            ConfigFile.Content content, Map<Setting<?>, Written> inFile, List<ExporterFile> exporters) {
        int rank = content.exporters().isPresent() ? Values.IN_EXPORTERS_FILE : Values.IN_FILE;
        for (Map.Entry<Setting<?>, RawValue> value : content.values().entrySet()) {
            inFile.putIfAbsent(value.getKey(), new Written(value.getValue(), rank));
        }
        content.exporters().ifPresent(exporters::add);
    }

    /** Takes what the exporter's file says that a setting names. */
    private void exportersFile(
            List<FlagValue> flags,
            Map<Setting<?>, Written> inFile,
            List<ExporterFile> exporters,
            Map<Path, String> stamps,
            Report report) {
        Values values = new Values();
        // What is wrong with it is told when every setting has its turn.
        decide(ConfigSchema.METRICS_EXPORTER_FILE, flags, inFile, values, new Report(true));
        String name = values.get(ConfigSchema.METRICS_EXPORTER_FILE);
        if (name.isEmpty()) {
            return;
        }
        Place place = values.place(ConfigSchema.METRICS_EXPORTER_FILE);
        if (!exporters.isEmpty()) {
            report.notice(
                    place,
                    ConfigSchema.METRICS_EXPORTER_FILE.path(),
                    "has no effect",
                    "the configuration file is such a file itself");
            return;
        }
        Path file = Path.of(name);
        stamps.put(file, FileStamps.of(file));
        int before = report.problems().size();
        ConfigFile.Content content = ConfigFile.read(file, report);
        if (content.exporters().isPresent()) {
            take(content, inFile, exporters);
        } else if (report.problems().size() == before) {
            report.problem(
                    Place.file(name),
                    "version",
                    "the file has no version, so it is not dcgm-exporter's",
                    "write version: 1 or version: 2; name the agent's own file with --config");
        }
    }

    /** Puts what the chosen configuration of the directory says over what the file says. */
    private Optional<ChosenConfiguration> named(
            List<FlagValue> flags,
            Map<Setting<?>, Written> inFile,
            NodeLabels labels,
            Map<Path, String> stamps,
            Report report) {
        Values values = new Values();
        for (Setting<?> setting : List.of(
                ConfigSchema.DIRECTORY,
                ConfigSchema.DEFAULT_NAME,
                ConfigSchema.FALLBACKS,
                ConfigSchema.NODE_LABEL,
                ConfigSchema.SELECTION_FILE)) {
            // What is wrong with them is told when every setting has its turn.
            decide(setting, flags, inFile, values, new Report(true));
        }
        if (values.get(ConfigSchema.DIRECTORY).isEmpty()) {
            return Optional.empty();
        }
        Path directory = Path.of(values.get(ConfigSchema.DIRECTORY));
        stamps.put(directory, FileStamps.of(directory));
        Optional<List<String>> files = ConfigFile.names(directory, values.place(ConfigSchema.DIRECTORY), report);
        String selected = selected(values, stamps, report);
        if (files.isEmpty()) {
            return Optional.empty();
        }
        String label = values.get(ConfigSchema.NODE_LABEL);
        NodeLabels.Answer answer = labels.label(label);
        NamedConfigurations choice = new NamedConfigurations(
                label, answer, selected, values.get(ConfigSchema.DEFAULT_NAME), values.get(ConfigSchema.FALLBACKS));
        Place place = new Place(directory.toString(), "directory " + directory);
        return switch (choice.choose(files.get())) {
            case Choice.Named(String name, String why) -> {
                Path file = directory.resolve(name);
                stamps.put(file, FileStamps.of(file));
                readNamed(file, inFile, report);
                yield Optional.of(new ChosenConfiguration(directory, Optional.of(name), why, Optional.empty(), label));
            }
            case Choice.Empty(String why) ->
                Optional.of(new ChosenConfiguration(directory, Optional.empty(), why, Optional.empty(), label));
            case Choice.Refused(String what, String nextStep) -> {
                boolean mayCome = answer instanceof NodeLabels.Answer.Unknown
                        && labels.pending()
                        && selected.isEmpty()
                        && values.get(ConfigSchema.DEFAULT_NAME).isEmpty();
                if (mayCome) {
                    report.notice(place, "", what, nextStep);
                } else {
                    report.problem(place, "", what, nextStep);
                }
                yield Optional.of(new ChosenConfiguration(
                        directory,
                        Optional.empty(),
                        what,
                        Optional.of(new Problem(place.problemText(), "", what, nextStep)),
                        label));
            }
        };
    }

    private static void readNamed(Path file, Map<Setting<?>, Written> inFile, Report report) {
        for (Map.Entry<Setting<?>, RawValue> value :
                ConfigFile.read(file, report).values().entrySet()) {
            String path = value.getKey().path();
            if (path.startsWith(ConfigSchema.CONFIG_BLOCK)) {
                report.problem(
                        value.getValue().place(),
                        path,
                        "is not set in a named configuration",
                        "set it in the file of --config, or by flag or variable");
            } else {
                inFile.put(value.getKey(), new Written(value.getValue(), Values.IN_FILE));
            }
        }
    }

    /** The name in the selection file; empty when it says nothing. */
    private static String selected(Values values, Map<Path, String> stamps, Report report) {
        String name = values.get(ConfigSchema.SELECTION_FILE);
        if (name.isEmpty()) {
            return "";
        }
        Path file = Path.of(name);
        stamps.put(file, FileStamps.of(file));
        return Files.exists(file) ? TextFile.read(file, report).orElse("").strip() : "";
    }

    /** Decided before the file is read; a wrong value is told when its turn comes. */
    private boolean strict(List<FlagValue> flags) {
        Values values = new Values();
        decide(ConfigSchema.STRICT, flags, Map.of(), values, new Report(true));
        return values.get(ConfigSchema.STRICT);
    }

    private Optional<Path> file(Optional<String> fileFlag, Map<Path, String> stamps, Report report) {
        String name = fileFlag.orElse("");
        Place place = Place.flag(ConfigSchema.FILE_FLAGS.getFirst());
        for (String variable : ConfigSchema.FILE_VARIABLES) {
            if (fileFlag.isEmpty() && name.isEmpty()) {
                name = environment.getOrDefault(variable, "");
                place = Place.environment(variable);
            }
        }
        if (name.isEmpty() && fileFlag.isEmpty()) {
            stamps.put(defaultFile, FileStamps.of(defaultFile));
            return Files.exists(defaultFile, LinkOption.NOFOLLOW_LINKS) ? Optional.of(defaultFile) : Optional.empty();
        }
        Optional<String> path =
                new SettingTypes.AbsolutePath(false).read(RawValue.untyped(absolute(name), place), "", report);
        if (path.isEmpty()) {
            return Optional.empty();
        }
        Path file = Path.of(path.get());
        stamps.put(file, FileStamps.of(file));
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            report.problem(
                    place,
                    "",
                    "\"" + file + "\" does not exist",
                    "name a file that does, or leave it out to use " + defaultFile);
            return Optional.empty();
        }
        return Optional.of(file);
    }

    /** A file may be named from where one stands; every other path is the daemon's and must be absolute. */
    private static String absolute(String name) {
        return name.isEmpty() || name.startsWith("/") || name.indexOf('\0') >= 0
                ? name
                : Path.of(name).toAbsolutePath().toString();
    }

    private <T> void decide(
            Setting<T> setting, List<FlagValue> flags, Map<Setting<?>, Written> inFile, Values values, Report report) {
        Written written = inFile.get(setting);
        if (written != null) {
            take(setting, written.value(), written.rank(), values, report);
        }
        for (int i = setting.environment().size() - 1; i >= 0; i--) {
            Spelling variable = setting.environment().get(i);
            // Manifests often set variables to nothing where they mean the default.
            String text = environment.getOrDefault(variable.name(), "");
            if (!text.isEmpty()) {
                Place place = Place.environment(variable.name());
                Optional<RawValue> meant = variable.translate(text, place, setting.path(), report);
                meant.ifPresent(value -> take(setting, value, Values.IN_ENVIRONMENT, values, report));
            }
        }
        for (FlagValue flag : flags) {
            if (flag.setting() == setting) {
                Place place = Place.flag(flag.flag().name());
                Optional<RawValue> meant = flag.flag().translate(flag.text(), place, setting.path(), report);
                meant.ifPresent(value -> take(setting, value, Values.ON_COMMAND_LINE, values, report));
            }
        }
        if (!values.has(setting)) {
            values.put(setting, setting.defaultValue(), Place.DEFAULT);
        }
    }

    private static <T> void take(Setting<T> setting, RawValue raw, int rank, Values values, Report report) {
        Optional<T> read = setting.type().read(raw, setting.path(), report);
        if (read.isEmpty()) {
            return;
        }
        switch (setting.support()) {
            case Support.Served _ -> values.put(setting, read.get(), raw, rank);
            case NoEffect(String why) -> report.notice(raw.place(), setting.path(), "has no effect", why);
            case OnlyOff(Set<String> accepted, String nextStep) -> {
                String text = setting.type().text(read.get());
                if (!accepted.contains(text)) {
                    report.problem(
                            raw.place(), setting.path(), "\"" + text + "\" is not served by this version", nextStep);
                }
            }
        }
    }

    /**
     * Unknown variables are left alone, since Kubernetes puts some of its own beside ours ({@code GPU_NODE_AGENT_PORT} for a service of that
     * name); one that is nearly a setting is told.
     */
    private void misspeltVariables(Report report) {
        List<String> candidates = new ArrayList<>();
        for (String variable : environment.keySet()) {
            if (variable.startsWith(ConfigSchema.ENVIRONMENT_PREFIX)
                    && !ConfigSchema.LAUNCHER_VARIABLES.contains(variable)) {
                candidates.add(variable);
            }
        }
        if (candidates.isEmpty()) {
            return;
        }
        Set<String> known = new HashSet<>(ConfigSchema.FILE_VARIABLES);
        for (Setting<?> setting : ConfigSchema.ALL) {
            for (Spelling variable : setting.environment()) {
                known.add(variable.name());
            }
        }
        for (String variable : candidates) {
            if (known.contains(variable)) {
                continue;
            }
            Optional<String> near = Suggestion.nearest(variable, known);
            if (near.isPresent() && Suggestion.distance(variable, near.get()) <= 3) {
                report.notice(
                        Place.environment(variable), "", "is not a setting", "did you mean \"" + near.get() + "\"?");
            }
        }
    }

    /** Defaults that follow from other values or from the machine. */
    private void fillIn(Values values) {
        if (values.place(ConfigSchema.DRIVER_ROOT).equals(Place.DEFAULT)
                && values.get(DriverSettings.MANAGE)
                && values.get(DriverSettings.SOURCE) != AgentConfig.Driver.SourceKind.HOST) {
            if (values.get(ConfigSchema.DEV_ROOT).isEmpty()) {
                // The agent makes the nodes in the host's own directory.
                values.put(ConfigSchema.DEV_ROOT, "/", values.place(DriverSettings.SOURCE));
            }
            values.put(ConfigSchema.DRIVER_ROOT, DriverSettings.ATTACHED_ROOT, values.place(DriverSettings.SOURCE));
        }
        if (values.get(ConfigSchema.DEV_ROOT).isEmpty()) {
            values.put(ConfigSchema.DEV_ROOT, values.get(ConfigSchema.DRIVER_ROOT), Place.DEFAULT);
        }
        if (values.get(ConfigSchema.NODE_NAME).isEmpty()) {
            values.put(ConfigSchema.NODE_NAME, hostName.get(), Place.DEFAULT);
        }
        Place useApi = values.place(ConfigSchema.USE_NODE_FEATURE_API);
        if (!useApi.equals(Place.DEFAULT)
                && values.place(ConfigSchema.LABEL_SINK).equals(Place.DEFAULT)) {
            values.put(
                    ConfigSchema.LABEL_SINK,
                    values.get(ConfigSchema.USE_NODE_FEATURE_API) ? LabelOutput.NODE_FEATURE : LabelOutput.FILE,
                    useApi);
        }
    }

    private void checkTogether(Values values, Report report) {
        checkShares(values, report);
        checkSocket(ConfigSchema.DEVICE_PLUGIN_DIRECTORY, longestSocket(values), values, report);
        checkSocket(ConfigSchema.POD_RESOURCES_SOCKET, values.get(ConfigSchema.POD_RESOURCES_SOCKET), values, report);
        if (values.get(ConfigSchema.LABEL_SINK) == LabelOutput.FILE
                && values.get(ConfigSchema.LABEL_FILE).isEmpty()) {
            report.problem(
                    values.place(ConfigSchema.LABEL_FILE),
                    ConfigSchema.LABEL_FILE.path(),
                    "is empty, and labels.sink is file",
                    "name a file, or set labels.sink to off and see the labels with gpu-node-agent labels");
        }
        if (values.get(DriverSettings.MANAGE)
                && values.get(DriverSettings.SOURCE) != AgentConfig.Driver.SourceKind.HOST
                && !values.get(DriverSettings.ROOT_ATTACH)) {
            report.problem(
                    values.place(DriverSettings.ROOT_ATTACH),
                    DriverSettings.ROOT_ATTACH.path(),
                    "is false, and driver.source is "
                            + values.get(DriverSettings.SOURCE).name().toLowerCase(Locale.ROOT)
                            + ": such a driver's libraries lie in the agent's store, and nobody would find them there",
                    "leave it out, or take the driver that the distribution has installed: driver.source: host");
        }
    }

    /** The longest path of a socket that the device plugin makes; all of them have one length but for the resource's name. */
    private static String longestSocket(Values values) {
        AgentConfig.Kubelet kubelet = new AgentConfig.Kubelet(
                Path.of(values.get(ConfigSchema.DEVICE_PLUGIN_DIRECTORY)),
                Path.of(values.get(ConfigSchema.POD_RESOURCES_SOCKET)),
                values.get(ConfigSchema.REGISTRATION));
        String name = longestName(values).replace('/', '_');
        int length = Math.min(name.length(), AgentConfig.Kubelet.LONGEST_RESOURCE_IN_SOCKET);
        return kubelet.socketDirectory() + "/gpu-node-agent-" + name.substring(0, length) + "-000000000000-00.sock";
    }

    /** The longest name of a resource that this configuration makes. */
    private static String longestName(Values values) {
        List<String> names = new ArrayList<>();
        names.add(values.get(ConfigSchema.RESOURCE_NAME));
        for (NamePattern pattern : values.get(ConfigSchema.GPU_NAMES)) {
            names.add(pattern.name());
        }
        for (NamePattern pattern : values.get(ConfigSchema.MIG_NAMES)) {
            names.add(pattern.name());
        }
        for (SharedResource shared : values.get(ConfigSchema.SHARED_RESOURCES)) {
            names.add(nameOfShares(shared, values));
        }
        if (values.get(ConfigSchema.MIG_STRATEGY) == AgentConfig.MigStrategy.MIXED) {
            names.add(LONG_MIG_NAME);
        }
        String longest = "";
        for (String name : names) {
            longest = name.length() > longest.length() ? name : longest;
        }
        return longest;
    }

    private static String nameOfShares(SharedResource shared, Values values) {
        if (!shared.rename().isEmpty()) {
            return shared.rename();
        }
        return shared.name() + (values.get(ConfigSchema.RENAME_BY_DEFAULT) ? ".shared" : "");
    }

    private static void checkShares(Values values, Report report) {
        Place place = values.place(ConfigSchema.SHARED_RESOURCES);
        String setting = ConfigSchema.SHARED_RESOURCES.path();
        Map<String, String> sharedAs = new HashMap<>();
        for (SharedResource shared : values.get(ConfigSchema.SHARED_RESOURCES)) {
            String name = nameOfShares(shared, values);
            if (name.length() > BlockTypes.LONGEST_NAME) {
                report.problem(
                        place,
                        setting,
                        "\"" + name + "\" has " + name.length() + " characters",
                        "rename it to at most " + BlockTypes.LONGEST_NAME);
            }
            String other = sharedAs.putIfAbsent(name, shared.name());
            if (other != null) {
                report.problem(
                        place,
                        setting,
                        "the shares of \"" + other + "\" and of \"" + shared.name() + "\" are both named \"" + name
                                + "\"",
                        "rename one of the two");
            }
        }
    }

    private static void checkSocket(Setting<String> setting, String socket, Values values, Report report) {
        int bytes = socket.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > UnixSockets.LONGEST_PATH_BYTES) {
            report.problem(
                    values.place(setting),
                    setting.path(),
                    "the socket \"…" + socket.substring(socket.length() - 40) + "\" has a path of " + bytes + " bytes",
                    "shorten it to at most " + UnixSockets.LONGEST_PATH_BYTES
                            + " bytes, which is what a unix socket can have");
        }
    }

    /** The values of one load, and where each was written. */
    static final class Values extends SettingValues {
        static final int IN_EXPORTERS_FILE = 1;
        static final int IN_FILE = 2;
        static final int IN_ENVIRONMENT = 3;
        static final int ON_COMMAND_LINE = 4;

        private final Map<Setting<?>, Place> places = new HashMap<>();
        private final Map<Setting<?>, RawValue> written = new HashMap<>();
        private final Map<Setting<?>, Integer> ranks = new HashMap<>();

        <T> void put(Setting<T> setting, T value, Place place) {
            set(setting, value, place.sourceText());
            places.put(setting, place);
        }

        <T> void put(Setting<T> setting, T value, RawValue raw, int rank) {
            put(setting, value, raw.place());
            written.put(setting, raw);
            ranks.put(setting, rank);
        }

        Place place(Setting<?> setting) {
            return places.getOrDefault(setting, Place.DEFAULT);
        }

        /** As it was written; empty for a default. */
        Optional<RawValue> raw(Setting<?> setting) {
            return Optional.ofNullable(written.get(setting));
        }

        /** How strong the place is where it was written; 0 for a default. */
        int rank(Setting<?> setting) {
            return ranks.getOrDefault(setting, 0);
        }
    }
}
