package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Loads configurations in tests: a file, flags and variables are put together, then loaded once. */
final class Loading {
    private final Path directory;
    private final Map<String, String> environment = new HashMap<>();
    private final List<FlagValue> flags = new ArrayList<>();
    private Optional<String> file = Optional.empty();
    private boolean pending;
    private FieldRules fields = Loading::judge;
    private ConfigMapSource configMaps = ConfigMapSource.NOT_ASKED;
    private NodeLabels.Answer label = new NodeLabels.Answer.Unknown("no API server is used");

    Loading(Path directory) {
        this.directory = directory;
    }

    Path path() {
        return directory.resolve("config.yaml");
    }

    Loading file(String text) {
        return file(text.getBytes(StandardCharsets.UTF_8));
    }

    Loading file(byte[] bytes) {
        try {
            Files.write(path(), bytes);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return named(path().toString());
    }

    Loading named(String name) {
        file = Optional.of(name);
        return this;
    }

    Loading environment(String name, String value) {
        environment.put(name, value);
        return this;
    }

    Loading flag(String name, String value) {
        for (Setting<?> setting : ConfigSchema.ALL) {
            for (Spelling spelling : setting.flags()) {
                if (spelling.name().equals(name)) {
                    flags.add(new FlagValue(setting, spelling, value));
                    return this;
                }
            }
        }
        throw new IllegalArgumentException("no flag --" + name);
    }

    /** What the API server says of the label that chooses. */
    Loading label(NodeLabels.Answer value) {
        label = value;
        return this;
    }

    /** The label is not known, and may come. */
    Loading labelPending() {
        pending = true;
        return this;
    }

    /** What is to say about fields. */
    Loading rules(FieldRules rules) {
        fields = rules;
        return this;
    }

    /** What the API server says of ConfigMaps. */
    Loading configMaps(ConfigMapSource source) {
        configMaps = source;
        return this;
    }

    LoadedConfig load() throws ConfigException {
        return loader().load(
                        flags,
                        file,
                        new ClusterSources(
                                new NodeLabels() {
                                    @Override
                                    public Answer label(String name) {
                                        return name.equals("nvidia.com/device-plugin.config")
                                                ? label
                                                : new Answer.NotSet();
                                    }

                                    @Override
                                    public boolean pending() {
                                        return pending;
                                    }

                                    @Override
                                    public void onChange(Runnable changed) {
                                        throw new UnsupportedOperationException("a load does not wait for changes");
                                    }
                                },
                                configMaps));
    }

    /** The problems, with the directory left out of their places. */
    List<String> problems() {
        ConfigException thrown = catchThrowableOfType(ConfigException.class, this::load);
        List<String> texts = new ArrayList<>();
        if (thrown != null) {
            for (Problem problem : thrown.problems()) {
                texts.add(problem.toString().replace(directory + "/", ""));
            }
        }
        return texts;
    }

    /** The notices, with the directory left out of their places. */
    List<String> notices() throws ConfigException {
        List<String> texts = new ArrayList<>();
        for (Problem notice : load().notices()) {
            texts.add(notice.toString().replace(directory + "/", ""));
        }
        return texts;
    }

    String source(String setting) throws ConfigException {
        for (EffectiveValue<?> value : load().values()) {
            if (value.setting().path().equals(setting)) {
                return value.source().replace(directory + "/", "");
            }
        }
        throw new IllegalArgumentException("no setting " + setting);
    }

    /** Knows two fields, and one that cannot be read; remarks on a label. */
    private static Optional<FieldRules.Remark> judge(FieldChoice choice) {
        String name = "\"" + choice.name() + "\"";
        return switch (choice.name()) {
            case "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_POWER_USAGE" ->
                choice.type().equals("label")
                        ? Optional.of(new FieldRules.Remark(
                                FieldRules.Gravity.SHOWN, name + " is no label", "it is shown as gauge"))
                        : Optional.empty();
            case "DCGM_FI_DEV_NVSWITCH_POWER" ->
                Optional.of(new FieldRules.Remark(
                        FieldRules.Gravity.UNAVAILABLE, name + " cannot be shown: NVML knows no switch", "remove it"));
            default ->
                Optional.of(new FieldRules.Remark(
                        FieldRules.Gravity.UNKNOWN, name + " is not a field of this version", "remove it"));
        };
    }

    ConfigLoader loader() {
        return new ConfigLoader(environment, () -> "node-a", directory.resolve("default.yaml"), fields);
    }
}
