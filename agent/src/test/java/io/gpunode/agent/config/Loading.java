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

    LoadedConfig load() throws ConfigException {
        return loader().load(flags, file, new NodeLabels() {
            @Override
            public Answer label(String name) {
                return name.equals("nvidia.com/device-plugin.config") ? label : new Answer.NotSet();
            }

            @Override
            public boolean pending() {
                return pending;
            }

            @Override
            public void onChange(Runnable changed) {
                throw new UnsupportedOperationException("a load does not wait for changes");
            }
        });
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

    ConfigLoader loader() {
        return new ConfigLoader(
                environment,
                () -> "node-a",
                directory.resolve("default.yaml"),
                () -> List.of("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_POWER_USAGE"));
    }
}
