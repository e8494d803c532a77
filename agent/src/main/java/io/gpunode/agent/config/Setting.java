package io.gpunode.agent.config;

import io.gpunode.agent.config.Spelling.Meaning;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** One setting: its names, type, default and text. Immutable; all of them stand in {@link ConfigSchema}. */
public final class Setting<T> {
    private final String path;
    private final boolean inFile;
    private final List<Spelling> flags;
    private final List<Spelling> environment;
    private final SettingType<T> type;
    private final T defaultValue;
    private final String defaultWords;
    private final Support support;
    private final boolean live;
    private final String description;

    private Setting(Builder<T> builder, String description) {
        this.path = builder.path;
        this.inFile = builder.inFile;
        this.flags = List.copyOf(builder.flags);
        this.environment = List.copyOf(builder.environment);
        this.type = builder.type;
        this.defaultValue = builder.defaultValue;
        this.defaultWords = builder.defaultWords;
        this.support = builder.support;
        this.live = builder.live;
        this.description = description;
    }

    /** Its name, which is its path in the file when it is {@link #inFile}. */
    public String path() {
        return path;
    }

    /** Whether the file may hold it. */
    public boolean inFile() {
        return inFile;
    }

    /** Its flags, the usual one first. */
    public List<Spelling> flags() {
        return flags;
    }

    /** Its environment variables; the first that says something wins. */
    public List<Spelling> environment() {
        return environment;
    }

    SettingType<T> type() {
        return type;
    }

    T defaultValue() {
        return defaultValue;
    }

    /** What a value looks like, in Markdown. */
    public String typeText() {
        return type.describe();
    }

    /** The default's text; empty when nothing is set by default. */
    public String defaultText() {
        return type.text(defaultValue);
    }

    /** In words, what stands in when nothing is set; empty when that is {@link #defaultText}. */
    public String defaultWords() {
        return defaultWords;
    }

    /** What this version does with it. */
    public Support support() {
        return support;
    }

    /** Whether a reload applies it without a restart. */
    public boolean live() {
        return live;
    }

    /** One or two sentences. */
    public String description() {
        return description;
    }

    /** Whether one of its flags means true when it stands without a value. */
    public boolean isSwitch(Spelling flag) {
        return flag.meaning() == Meaning.TRUE_IS_DEBUG
                || flag.meaning() == Meaning.TRUE_IS_NONE
                || type instanceof SettingTypes.TrueOrFalse;
    }

    /** Whether repeating a flag adds to a list. */
    public boolean isList() {
        return type instanceof SettingTypes.Choices<?>
                || type instanceof SettingTypes.Numbers
                || type instanceof SettingTypes.Words
                || type instanceof SettingTypes.Channels
                || type instanceof SettingTypes.ListenAddresses
                || type instanceof RegularExpressions
                || type instanceof ResourceNames
                || type instanceof SettingTypes.Texts
                || type instanceof SettingTypes.FieldChoices;
    }

    @Override
    public String toString() {
        return path;
    }

    /** A setting with other components' names. */
    static <T> Builder<T> setting(String path, SettingType<T> type, T defaultValue) {
        return new Builder<>(path, type, defaultValue);
    }

    /** A setting of our own: flag and variable follow from the path. */
    static <T> Builder<T> own(String path, SettingType<T> type, T defaultValue) {
        StringBuilder flag = new StringBuilder();
        for (int i = 0; i < path.length(); i++) {
            char c = path.charAt(i);
            if (c == '.') {
                flag.append('-');
            } else if (c >= 'A' && c <= 'Z') {
                flag.append('-').append((char) (c + 32));
            } else {
                flag.append(c);
            }
        }
        String name = flag.toString();
        return new Builder<>(path, type, defaultValue)
                .flag(name)
                .environment(ConfigSchema.ENVIRONMENT_PREFIX
                        + name.toUpperCase(Locale.ROOT).replace('-', '_'));
    }

    /** Collects a row of the schema. */
    static final class Builder<T> {
        private final String path;
        private final SettingType<T> type;
        private final T defaultValue;
        private final List<Spelling> flags = new ArrayList<>();
        private final List<Spelling> environment = new ArrayList<>();
        private boolean inFile = true;
        private String defaultWords = "";
        private Support support = Support.Served.INSTANCE;
        private boolean live;

        private Builder(String path, SettingType<T> type, T defaultValue) {
            this.path = path;
            this.type = type;
            this.defaultValue = defaultValue;
        }

        Builder<T> flag(String... names) {
            for (String name : names) {
                flags.add(Spelling.asIs(name));
            }
            return this;
        }

        Builder<T> flag(String name, Meaning meaning) {
            flags.add(new Spelling(name, meaning));
            return this;
        }

        Builder<T> environment(String... names) {
            for (String name : names) {
                environment.add(Spelling.asIs(name));
            }
            return this;
        }

        Builder<T> environment(String name, Meaning meaning) {
            environment.add(new Spelling(name, meaning));
            return this;
        }

        Builder<T> notInFile() {
            inFile = false;
            return this;
        }

        Builder<T> defaultWords(String words) {
            defaultWords = words;
            return this;
        }

        Builder<T> support(Support value) {
            support = value;
            return this;
        }

        Builder<T> live() {
            live = true;
            return this;
        }

        Setting<T> describedAs(String description) {
            return new Setting<>(this, description);
        }
    }
}
