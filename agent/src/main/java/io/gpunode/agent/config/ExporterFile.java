package io.gpunode.agent.config;

import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.RawValue.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Reads dcgm-exporter's own YAML file, versions 1 and 2, as values of the agent's settings. Its groups of fields with an interval of their own become
 * the two intervals that the agent has: one for the profiling fields, and one for all others, which is the shortest that is asked for, so that no value
 * is older than was wanted. Owned by one load.
 */
final class ExporterFile {
    private static final String PROFILING = "DCGM_FI_PROF_";
    /** Far more than there are intervals to want, and patterns than there are fields. */
    private static final int MOST_GROUPS = 100;

    private static final int MOST_PATTERNS = 1_000;

    private final Map<Setting<?>, RawValue> values = new LinkedHashMap<>();
    private final List<Group> groups = new ArrayList<>();
    private final Report report;
    private final boolean second;

    /**
     * Fields that are to be sampled at an interval of their own.
     *
     * @param every as it was written
     * @param patterns of names, with {@code *} for any text
     */
    private record Group(String name, Place place, RawValue every, Duration interval, List<RawValue> patterns) {
        boolean isProfiling() {
            for (RawValue pattern : patterns) {
                if (!pattern.text().strip().startsWith(PROFILING)) {
                    return false;
                }
            }
            return true;
        }
    }

    private ExporterFile(boolean second, Report report) {
        this.second = second;
        this.report = report;
    }

    /** Whether a file is the exporter's: its version is a number, that of the agent and of the device plugin is a word. */
    static boolean is(RawValue root) {
        for (int i = 0; i < root.keys().size(); i++) {
            if (root.keys().get(i).name().equals("version")) {
                return root.items().get(i).is(Kind.NUMBER);
            }
        }
        return false;
    }

    /** Reads a file that {@link #is} the exporter's. What is wrong with it is reported. */
    static ExporterFile read(RawValue root, Report report) {
        RawValue version = root.items()
                .get(root.keys().stream().map(RawValue.Key::name).toList().indexOf("version"));
        boolean second = version.text().equals("2");
        ExporterFile file = new ExporterFile(second, report);
        if (!second && !version.text().equals("1")) {
            report.problem(
                    version.place(),
                    "version",
                    version.shown() + " is not a version of a configuration file",
                    "write v1 for the agent's file, and 1 or 2 for dcgm-exporter's");
            return file;
        }
        file.root(root);
        return file;
    }

    /** What it says of the agent's settings. */
    Map<Setting<?>, RawValue> values() {
        return values;
    }

    /**
     * Checks the groups against the fields that are shown, as the exporter does.
     *
     * @param fields their names
     */
    void check(List<FieldChoice> fields) {
        Map<String, Group> owners = new HashMap<>();
        for (Group group : groups) {
            for (RawValue pattern : group.patterns()) {
                String text = pattern.text().strip();
                if (!isPattern(text)) {
                    report.problem(
                            pattern.place(),
                            "",
                            pattern.shown() + " is not a pattern of field names",
                            "write a field's name, with * for any text");
                    continue;
                }
                NamePattern names = new NamePattern(text, "");
                boolean any = false;
                for (FieldChoice field : fields) {
                    if (!names.fits(field.name())) {
                        continue;
                    }
                    any = true;
                    Group other = owners.putIfAbsent(field.name(), group);
                    if (other != null && !other.equals(group)) {
                        report.problem(
                                pattern.place(),
                                "",
                                "\"" + field.name() + "\" is in two groups, \"" + RawValue.printable(other.name())
                                        + "\" and \"" + RawValue.printable(group.name()) + "\"",
                                "keep it in one");
                    }
                }
                if (!any) {
                    report.notice(
                            pattern.place(),
                            "",
                            pattern.shown() + " fits none of the fields that are shown",
                            "add the field, or remove the pattern");
                }
            }
        }
    }

    private static boolean isPattern(String text) {
        String plain = text.replace('*', '_');
        return FieldFile.isName(plain);
    }

    private void root(RawValue root) {
        Map<String, RawValue> keys = block(
                root,
                "",
                second
                        ? List.of("version", "metrics", "collections", "sources", "server")
                        : List.of("version", "metrics", "collection", "sources", "server"));
        metrics(keys.get("metrics"));
        server(keys.get("server"));
        sources(keys.get("sources"));
        Optional<RawValue> all = second ? collections(keys.get("collections")) : collection(keys.get("collection"));
        intervals(all);
    }

    private void metrics(@Nullable RawValue metrics) {
        if (metrics == null) {
            return;
        }
        Map<String, RawValue> keys = block(metrics, "metrics.", List.of("file", "fields", "enableExporterMetrics"));
        RawValue file = keys.get("file");
        RawValue fields = keys.get("fields");
        if (file != null && fields != null) {
            report.problem(fields.place(), "metrics", "names a file and fields", "keep one of the two");
            return;
        }
        put(ConfigSchema.METRICS_FIELDS_FILE, file);
        put(ConfigSchema.EXPORTER_METRICS, keys.get("enableExporterMetrics"));
        if (fields == null) {
            return;
        }
        if (!fields.is(Kind.LIST)) {
            expected(fields, "metrics.fields", "a list of blocks");
            return;
        }
        Map<String, Place> seen = new HashMap<>();
        boolean good = true;
        for (RawValue field : fields.items()) {
            good &= field(field, seen);
        }
        if (good) {
            put(ConfigSchema.METRICS_FIELDS, fields);
        }
    }

    private boolean field(RawValue field, Map<String, Place> seen) {
        int before = report.problems().size();
        Map<String, RawValue> keys = block(field, "metrics.fields.", List.of("name", "prometheusType", "help"));
        for (String key : List.of("name", "prometheusType", "help")) {
            RawValue value = keys.get(key);
            if (field.is(Kind.BLOCK) && (value == null || value.text().isBlank())) {
                report.problem(
                        field.place(),
                        "metrics.fields",
                        "the field has no " + key,
                        "write name, prometheusType and help");
            }
        }
        RawValue name = keys.get("name");
        Place first = name == null ? null : seen.putIfAbsent(name.text().strip(), name.place());
        if (name != null && first != null) {
            report.problem(
                    name.place(),
                    "metrics.fields",
                    name.shown() + " is given twice, first at " + first.problemText(),
                    "keep one of the two");
        }
        return report.problems().size() == before;
    }

    private void server(@Nullable RawValue server) {
        if (server != null) {
            put(
                    ConfigSchema.HTTP_MAX_CONCURRENT_SCRAPES,
                    block(server, "server.", List.of("maxConcurrentScrapes")).get("maxConcurrentScrapes"));
        }
    }

    private void sources(@Nullable RawValue sources) {
        RawValue dcgm = sources == null
                ? null
                : block(sources, "sources.", List.of("dcgm")).get("dcgm");
        if (dcgm == null) {
            return;
        }
        Map<String, RawValue> keys = block(
                dcgm, "sources.dcgm.", second ? List.of("watch", "detectBindUnbind") : List.of("detectBindUnbind"));
        kept(keys.get("watch"), "sources.dcgm.watch.", "maxKeepAge", "maxKeepSamples");
        RawValue detect = keys.get("detectBindUnbind");
        if (detect != null) {
            Map<String, RawValue> said =
                    block(detect, "sources.dcgm.detectBindUnbind.", List.of("enabled", "pollInterval"));
            put(ConfigSchema.EXPORTER_BIND_WATCH, said.get("enabled"));
            put(ConfigSchema.EXPORTER_BIND_INTERVAL, said.get("pollInterval"));
        }
    }

    /** How much DCGM keeps: nothing of it is here. */
    private void kept(@Nullable RawValue kept, String path, String age, String samples) {
        if (kept != null) {
            Map<String, RawValue> said = block(kept, path, List.of(age, samples));
            put(ConfigSchema.EXPORTER_KEEP_AGE, said.get(age));
            put(ConfigSchema.EXPORTER_KEEP_SAMPLES, said.get(samples));
        }
    }

    /** Version 1: the interval of all fields; empty when it says none. */
    private Optional<RawValue> collection(@Nullable RawValue collection) {
        if (collection == null) {
            return Optional.empty();
        }
        Map<String, RawValue> keys = block(collection, "collection.", List.of("interval", "watchGroups", "retention"));
        kept(keys.get("retention"), "collection.retention.", "maxAge", "maxSamples");
        RawValue list = keys.get("watchGroups");
        if (list != null) {
            for (RawValue group : items(list, "collection.watchGroups")) {
                Map<String, RawValue> said =
                        block(group, "collection.watchGroups.", List.of("name", "interval", "fields", "retention"));
                kept(said.get("retention"), "collection.watchGroups.retention.", "maxAge", "maxSamples");
                group(group, said.get("name"), "interval", said.get("interval"), "fields", said.get("fields"));
            }
        }
        return Optional.ofNullable(keys.get("interval"));
    }

    /** Version 2: the interval of the collection of all fields; empty when there is none. */
    private Optional<RawValue> collections(@Nullable RawValue list) {
        if (list == null) {
            return Optional.empty();
        }
        for (RawValue collection : items(list, "collections")) {
            Map<String, RawValue> said =
                    block(collection, "collections.", List.of("name", "every", "metrics", "sources"));
            RawValue metrics = said.get("metrics");
            RawValue sources = said.get("sources");
            RawValue dcgm = sources == null
                    ? null
                    : block(sources, "collections.sources.", List.of("dcgm")).get("dcgm");
            RawValue watch = dcgm == null
                    ? null
                    : block(dcgm, "collections.sources.dcgm.", List.of("watch")).get("watch");
            kept(watch, "collections.sources.dcgm.watch.", "maxKeepAge", "maxKeepSamples");
            RawValue include = metrics == null
                    ? null
                    : block(metrics, "collections.metrics.", List.of("include")).get("include");
            group(collection, said.get("name"), "every", said.get("every"), "metrics.include", include);
        }
        Group all = null;
        for (Group group : groups) {
            if (group.patterns().size() == 1
                    && group.patterns().getFirst().text().strip().equals("*")) {
                if (all != null) {
                    report.problem(
                            group.place(),
                            "collections",
                            "\"" + RawValue.printable(group.name()) + "\" and \"" + RawValue.printable(all.name())
                                    + "\" are both for all fields",
                            "keep one of the two");
                }
                all = group;
            }
        }
        if (all == null) {
            return Optional.empty();
        }
        groups.remove(all);
        return Optional.of(all.every());
    }

    private void group(
            RawValue block,
            @Nullable RawValue name,
            String intervalKey,
            @Nullable RawValue every,
            String patternsKey,
            @Nullable RawValue patterns) {
        String path = second ? "collections" : "collection.watchGroups";
        if (!block.is(Kind.BLOCK)) {
            return;
        }
        String called = name == null ? "" : name.text().strip();
        boolean twice = groups.stream().anyMatch(group -> group.name().equals(called));
        if (called.isEmpty() || twice) {
            report.problem(
                    name == null ? block.place() : name.place(),
                    path,
                    called.isEmpty()
                            ? "the group has no name"
                            : "the name \"" + RawValue.printable(called) + "\" is given twice",
                    "give each group a name of its own");
        }
        List<RawValue> fields = patterns == null ? List.of() : items(patterns, path + "." + patternsKey);
        if (groups.size() >= MOST_GROUPS || fields.size() > MOST_PATTERNS) {
            report.problem(
                    block.place(),
                    path,
                    "there are more than " + MOST_GROUPS + " groups, or " + MOST_PATTERNS + " patterns in one",
                    "make them fewer; * stands for any text");
            return;
        }
        if (fields.isEmpty()) {
            report.problem(
                    block.place(),
                    path,
                    "the group has no " + patternsKey,
                    "write names of fields, with * for any text");
        }
        if (every == null) {
            report.problem(block.place(), path, "the group has no " + intervalKey, "write a duration such as 30s");
            return;
        }
        interval(every, path + "." + intervalKey)
                .ifPresent(interval -> groups.add(new Group(called, block.place(), every, interval, fields)));
    }

    /** Two intervals are what the agent has. */
    private void intervals(Optional<RawValue> ofAll) {
        Optional<Duration> wanted =
                ofAll.flatMap(all -> interval(all, second ? "collections.every" : "collection.interval"));
        RawValue shortest = wanted.isPresent() ? ofAll.get() : null;
        RawValue profiling = null;
        Duration least = wanted.orElse(Duration.ofSeconds(Long.MAX_VALUE));
        Duration leastProfiling = Duration.ofSeconds(Long.MAX_VALUE);
        for (Group group : groups) {
            if (group.patterns().isEmpty()) {
                continue;
            }
            if (group.isProfiling()) {
                if (group.interval().compareTo(leastProfiling) < 0) {
                    profiling = group.every();
                    leastProfiling = group.interval();
                }
            } else if (group.interval().compareTo(least) < 0) {
                shortest = group.every();
                least = group.interval();
            }
        }
        put(ConfigSchema.SAMPLING_INTERVAL, shortest);
        put(ConfigSchema.PROFILING_INTERVAL, profiling);
        for (Group group : groups) {
            Duration shown = group.isProfiling() ? leastProfiling : least;
            if (!group.patterns().isEmpty() && !group.interval().equals(shown)) {
                report.notice(
                        group.place(),
                        "",
                        "the fields of \"" + RawValue.printable(group.name()) + "\" are read every "
                                + GoDuration.text(shown) + " instead of " + GoDuration.text(group.interval()),
                        "all "
                                + (group.isProfiling() ? "profiling fields" : "fields but those of profiling")
                                + " are read together, at the shortest interval that is asked for");
            }
        }
    }

    private Optional<Duration> interval(RawValue value, String path) {
        Optional<Duration> read = value.isText() ? GoDuration.parse(value.text().strip()) : Optional.empty();
        if (read.isEmpty() || !read.get().isPositive()) {
            report.problem(
                    value.place(),
                    path,
                    value.shown() + " is not a duration above zero",
                    "write a duration such as 30s or 500ms");
            return Optional.empty();
        }
        return read;
    }

    private void put(Setting<?> setting, @Nullable RawValue value) {
        if (value != null) {
            values.put(setting, value);
        }
    }

    private List<RawValue> items(RawValue list, String path) {
        if (!list.is(Kind.LIST)) {
            expected(list, path, "a list");
            return List.of();
        }
        return list.items();
    }

    private void expected(RawValue value, String path, String wanted) {
        report.problem(
                value.place(), path, value.shown() + " stands where " + wanted + " is expected", "write " + wanted);
    }

    /** The keys of a block that say something; what is no block, and keys that are not known, are reported. */
    private Map<String, RawValue> block(RawValue block, String path, List<String> known) {
        Map<String, RawValue> keys = new HashMap<>();
        if (!block.is(Kind.BLOCK)) {
            expected(block, path.isEmpty() ? path : path.substring(0, path.length() - 1), "a block of keys");
            return keys;
        }
        for (int i = 0; i < block.keys().size(); i++) {
            RawValue.Key key = block.keys().get(i);
            if (known.contains(key.name())) {
                if (!block.items().get(i).is(Kind.NULL)) {
                    keys.put(key.name(), block.items().get(i));
                }
                continue;
            }
            report.unknown(
                    key.place(),
                    RawValue.printable(path + key.name()),
                    "unknown key in version " + (second ? 2 : 1) + " of dcgm-exporter's file",
                    Suggestion.nearest(key.name(), known)
                            .map(near -> "did you mean \"" + path + near + "\"?")
                            .orElse("remove it; here may stand " + String.join(", ", known)));
        }
        return keys;
    }
}
