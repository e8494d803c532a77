package io.gpunode.agent.config;

import io.gpunode.agent.config.RawValue.Kind;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Reads the configuration file down to one raw value per setting. Knows the keys, not what their values mean. */
final class ConfigFile {
    private static final String NEXT_STEP = "correct it and check with: gpu-node-agent config check FILE";
    private static final int MOST_FILES = 1_000;

    private final Map<String, Setting<?>> settings = new HashMap<>();
    private final Set<String> blocks = new HashSet<>();
    private final Map<Setting<?>, RawValue> values = new HashMap<>();
    private final Report report;

    private ConfigFile(Report report) {
        this.report = report;
        for (Setting<?> setting : ConfigSchema.ALL) {
            if (setting.inFile()) {
                settings.put(setting.path(), setting);
                for (int dot = setting.path().indexOf('.');
                        dot > 0;
                        dot = setting.path().indexOf('.', dot + 1)) {
                    blocks.add(setting.path().substring(0, dot));
                }
            }
        }
    }

    /**
     * What a file says.
     *
     * @param values one for each setting that it mentions
     * @param exporters the file, when it is dcgm-exporter's own
     */
    record Content(Map<Setting<?>, RawValue> values, Optional<ExporterFile> exporters) {}

    /** The values of the file; an empty file has none. What is wrong with the file itself or its keys is reported. */
    static Content read(Path file, Report report) {
        Optional<RawValue> root = root(file, report);
        if (root.isPresent() && ExporterFile.is(root.get())) {
            ExporterFile exporters = ExporterFile.read(root.get(), report);
            return new Content(exporters.values(), Optional.of(exporters));
        }
        ConfigFile reader = new ConfigFile(report);
        root.ifPresent(block -> reader.block(block, ""));
        return new Content(reader.values, Optional.empty());
    }

    /** The block of the file's keys; empty when there is none. */
    private static Optional<RawValue> root(Path file, Report report) {
        Optional<String> text = TextFile.read(file, report);
        if (text.isEmpty() || text.get().isBlank()) {
            return Optional.empty();
        }
        Optional<RawValue> root = YamlFile.read(file.toString(), text.get(), NEXT_STEP, report);
        if (root.isEmpty() || root.get().is(Kind.NULL)) {
            return Optional.empty();
        }
        if (!root.get().is(Kind.BLOCK)) {
            report.problem(
                    root.get().place(),
                    "",
                    "the file holds "
                            + (root.get().is(Kind.LIST)
                                    ? "a list"
                                    : "only " + root.get().shown()),
                    "write keys with values, such as log.level, as blocks");
            return Optional.empty();
        }
        return root;
    }

    private void block(RawValue block, String prefix) {
        for (int i = 0; i < block.keys().size(); i++) {
            RawValue.Key key = block.keys().get(i);
            RawValue value = block.items().get(i);
            String path = path(prefix + key.name());
            Setting<?> setting = settings.get(path);
            if (value.is(Kind.NULL) && (setting != null || blocks.contains(path))) {
                continue;
            }
            if (setting != null) {
                values.put(setting, value);
            } else if (!blocks.contains(path)) {
                unknown(key, prefix);
            } else if (value.is(Kind.BLOCK)) {
                block(value, path + ".");
            } else {
                report.problem(
                        value.place(),
                        path,
                        value.shown() + " stands where keys are expected",
                        "write its keys below it");
            }
        }
    }

    /** The path as the schema has it. The device plugin's parser takes keys in any case, so a file may have been written so. */
    private String path(String written) {
        if (report.strict() || settings.containsKey(written) || blocks.contains(written)) {
            return written;
        }
        for (String known : settings.keySet()) {
            if (known.equalsIgnoreCase(written)) {
                return known;
            }
        }
        for (String known : blocks) {
            if (known.equalsIgnoreCase(written)) {
                return known;
            }
        }
        return written;
    }

    private void unknown(RawValue.Key key, String prefix) {
        List<String> siblings = new ArrayList<>();
        List<String> namesakes = new ArrayList<>();
        for (Setting<?> setting : ConfigSchema.ALL) {
            String path = setting.path();
            if (!setting.inFile()) {
                continue;
            }
            if (path.startsWith(prefix)) {
                int end = path.indexOf('.', prefix.length());
                siblings.add(path.substring(prefix.length(), end < 0 ? path.length() : end));
            }
            if (("." + path + ".").contains("." + key.name() + ".")) {
                int end = ("." + path + ".").indexOf("." + key.name() + ".")
                        + key.name().length();
                namesakes.add(path.substring(0, end));
            }
        }
        for (Setting<?> setting : ConfigSchema.ALL) {
            if (!setting.inFile() && setting.path().equals(prefix + key.name())) {
                report.unknown(
                        key.place(),
                        RawValue.printable(prefix + key.name()),
                        "is not set in the file",
                        "use the flag --" + setting.flags().getFirst().name() + " or the variable "
                                + setting.environment().getFirst().name());
                return;
            }
        }
        Optional<String> near = Suggestion.nearest(key.name(), siblings).map(name -> prefix + name);
        if (near.isEmpty() && !namesakes.isEmpty()) {
            near = Optional.of(namesakes.getFirst());
        }
        report.unknown(
                key.place(),
                RawValue.printable(prefix + key.name()),
                "unknown key",
                near.isPresent()
                        ? "did you mean \"" + near.get() + "\"?"
                        : "remove it; all settings are listed by: gpu-node-agent config show");
    }

    /**
     * The names of a directory's files, sorted. Directories and what begins with two dots, as a mounted ConfigMap has them, are left out; a
     * directory with too many is reported.
     */
    static Optional<List<String>> names(Path directory, Place place, Report report) {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            for (Path entry : entries) {
                String name = entry.getFileName().toString();
                if (!name.startsWith("..") && !Files.isDirectory(entry)) {
                    names.add(name);
                }
                if (names.size() > MOST_FILES) {
                    report.problem(
                            place,
                            ConfigSchema.DIRECTORY.path(),
                            "\"" + directory + "\" holds more than " + MOST_FILES + " files",
                            "name a directory that holds configurations only");
                    return Optional.empty();
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            report.problem(
                    place,
                    ConfigSchema.DIRECTORY.path(),
                    "\"" + directory + "\" cannot be listed: "
                            + (Files.exists(directory) ? e.getMessage() : "it does not exist"),
                    "name a directory of configurations");
            return Optional.empty();
        }
        names.sort(null);
        return Optional.of(names);
    }
}
