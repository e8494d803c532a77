package io.gpunode.agent.config;

import io.gpunode.agent.config.AgentConfig.DeviceReference;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.RawValue.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The types of {@code resources} and {@code sharing}: lists of blocks, which only the file can hold. Every block is read whole, so that each of
 * its problems is told.
 */
final class BlockTypes {
    /** Put before a resource's name that has no domain. */
    private static final String DOMAIN = "nvidia.com/";

    /** Of a resource's name with its domain, as the device plugin bounds it. */
    static final int LONGEST_NAME = 63;

    private BlockTypes() {}

    /** Patterns with the resource that each names. */
    static final class NamePatterns implements SettingType<List<NamePattern>> {
        private static final List<String> KEYS = List.of("pattern", "name");
        private static final String EXAMPLE = "{pattern: \"*A100*\", name: nvidia.com/a100}";

        @Override
        public String describe() {
            return "list of blocks with `pattern` (with `*` for any text) and `name`";
        }

        @Override
        public Optional<List<NamePattern>> read(RawValue value, String setting, Report report) {
            List<NamePattern> patterns = new ArrayList<>();
            boolean good = true;
            Optional<List<RawValue>> blocks = blocks(value, setting, EXAMPLE, report);
            for (RawValue item : blocks.orElse(List.of())) {
                Block block = new Block(item, setting, EXAMPLE, report);
                if (!block.isBlock(KEYS)) {
                    good = false;
                    continue;
                }
                Optional<String> pattern = block.required("pattern").flatMap(text -> pattern(text, setting, report));
                Optional<String> name = block.required("name").flatMap(text -> resourceName(text, setting, report));
                if (pattern.isPresent() && name.isPresent()) {
                    patterns.add(new NamePattern(pattern.get(), name.get()));
                } else {
                    good = false;
                }
            }
            return good && blocks.isPresent() ? Optional.of(List.copyOf(patterns)) : Optional.empty();
        }

        private static Optional<String> pattern(RawValue value, String setting, Report report) {
            boolean scalar = value.isText() || value.is(Kind.NUMBER);
            if (!scalar || value.text().isBlank()) {
                report.problem(
                        value.place(),
                        setting,
                        "the pattern is " + (scalar ? "empty" : value.kind().words()),
                        "write a text, where * stands for any text, such as \"*A100*\" or 1g.10gb");
                return Optional.empty();
            }
            return Optional.of(value.text());
        }

        @Override
        public String text(List<NamePattern> value) {
            List<String> texts = new ArrayList<>();
            for (NamePattern pattern : value) {
                texts.add("\"" + pattern.pattern() + "\" is " + pattern.name());
            }
            return String.join(", ", texts);
        }
    }

    /** Resources whose devices are shared. */
    static final class SharedResources implements SettingType<List<SharedResource>> {
        /** The list of devices travels in one message, which the kubelet takes up to 4 MiB of. */
        private static final int MOST_REPLICAS = 1_000;

        private static final int MOST_DEVICES = 10_000;
        private static final List<String> KEYS = List.of("name", "rename", "devices", "replicas");
        private static final String EXAMPLE = "{name: nvidia.com/gpu, replicas: 4}";
        private static final String SELECTIONS = "write all, a number of devices, or a list of indices (0), MIG indices"
                + " (\"0:1\") and UUIDs (GPU-…, MIG-…)";

        @Override
        public String describe() {
            return "list of blocks with `name`, `replicas` (from 2 to " + MOST_REPLICAS
                    + "), and if wanted `rename` and `devices` (`all`, a number, or a list of indices, MIG indices as"
                    + " `\"0:1\"`, and UUIDs)";
        }

        @Override
        public Optional<List<SharedResource>> read(RawValue value, String setting, Report report) {
            List<SharedResource> shared = new ArrayList<>();
            Map<String, Place> seen = new HashMap<>();
            boolean good = true;
            Optional<List<RawValue>> blocks = blocks(value, setting, EXAMPLE, report);
            for (RawValue item : blocks.orElse(List.of())) {
                Block block = new Block(item, setting, EXAMPLE, report);
                if (!block.isBlock(KEYS)) {
                    good = false;
                    continue;
                }
                Optional<String> name = block.required("name").flatMap(text -> resourceName(text, setting, report));
                Optional<RawValue> rename = block.key("rename");
                Optional<String> newName = rename.isEmpty()
                        ? Optional.of("")
                        : rename.flatMap(text -> resourceName(text, setting, report));
                Optional<RawValue> devices = block.key("devices");
                Optional<DeviceSelection> selection = devices.isEmpty()
                        ? Optional.of(DeviceSelection.All.INSTANCE)
                        : devices.flatMap(each -> selection(each, setting, report));
                Optional<Integer> replicas =
                        block.required("replicas").flatMap(each -> replicas(each, setting, report));
                if (name.isEmpty() || newName.isEmpty() || selection.isEmpty() || replicas.isEmpty()) {
                    good = false;
                    continue;
                }
                Place first = seen.putIfAbsent(name.get(), item.place());
                if (first != null) {
                    report.problem(
                            item.place(),
                            setting,
                            "\"" + name.get() + "\" is shared twice, first at " + first.problemText(),
                            "keep one of the two");
                    good = false;
                    continue;
                }
                shared.add(new SharedResource(name.get(), newName.get(), selection.get(), replicas.get()));
            }
            return good && blocks.isPresent() ? Optional.of(List.copyOf(shared)) : Optional.empty();
        }

        private static Optional<Integer> replicas(RawValue value, String setting, Report report) {
            OptionalInt number = value.is(Kind.NUMBER) ? number(value.text(), MOST_REPLICAS) : OptionalInt.empty();
            if (number.isEmpty() || number.getAsInt() < 2) {
                report.problem(
                        value.place(),
                        setting,
                        value.shown() + " is not a number of replicas",
                        "write a number from 2 to " + MOST_REPLICAS);
                return Optional.empty();
            }
            return Optional.of(number.getAsInt());
        }

        private static Optional<DeviceSelection> selection(RawValue value, String setting, Report report) {
            if (value.is(Kind.LIST)) {
                return named(value, setting, report);
            }
            if (value.isText() && value.text().equals("all")) {
                return Optional.of(DeviceSelection.All.INSTANCE);
            }
            OptionalInt count = value.is(Kind.NUMBER) ? number(value.text(), MOST_DEVICES) : OptionalInt.empty();
            if (count.isPresent() && count.getAsInt() > 0) {
                return Optional.of(new DeviceSelection.First(count.getAsInt()));
            }
            report.problem(value.place(), setting, value.shown() + " selects no devices", SELECTIONS);
            return Optional.empty();
        }

        private static Optional<DeviceSelection> named(RawValue list, String setting, Report report) {
            Set<DeviceReference> references = new LinkedHashSet<>();
            boolean good = true;
            for (RawValue item : list.items()) {
                Optional<DeviceReference> reference =
                        item.is(Kind.NUMBER) || item.isText() ? reference(item.text()) : Optional.empty();
                if (reference.isEmpty()) {
                    report.problem(
                            item.place(),
                            setting,
                            item.shown() + " names no device",
                            "write an index such as 0, a MIG index in quotes such as \"0:1\", or a UUID such as"
                                    + " GPU-… or MIG-…");
                    good = false;
                } else if (!references.add(reference.get())) {
                    report.problem(item.place(), setting, item.shown() + " is listed twice", "keep one of the two");
                    good = false;
                }
            }
            if (good && references.isEmpty()) {
                report.problem(list.place(), setting, "the list of devices is empty", SELECTIONS);
                return Optional.empty();
            }
            return good ? Optional.of(new DeviceSelection.Named(List.copyOf(references))) : Optional.empty();
        }

        @Override
        public String text(List<SharedResource> value) {
            List<String> texts = new ArrayList<>();
            for (SharedResource shared : value) {
                String devices = switch (shared.devices()) {
                    case DeviceSelection.All _ -> "";
                    case DeviceSelection.First(int count) -> ", the first " + count;
                    case DeviceSelection.Named(List<DeviceReference> named) -> ", " + references(named);
                };
                texts.add(shared.name() + devices + ": " + shared.replicas() + " replicas"
                        + (shared.rename().isEmpty() ? "" : " as " + shared.rename()));
            }
            return String.join("; ", texts);
        }

        private static String references(List<DeviceReference> named) {
            List<String> texts = new ArrayList<>();
            for (DeviceReference reference : named) {
                texts.add(
                        switch (reference) {
                            case DeviceReference.Index(int gpu) -> Integer.toString(gpu);
                            case DeviceReference.MigIndex(int gpu, int device) -> gpu + ":" + device;
                            case DeviceReference.Uuid(String uuid) -> uuid;
                            case DeviceReference.Instance(String gpu, int gpuInstance, int computeInstance) ->
                                "MIG-" + gpu + "/" + gpuInstance + "/" + computeInstance;
                        });
            }
            return String.join(" ", texts);
        }
    }

    /** What a text of a list of devices names. */
    static Optional<DeviceReference> reference(String text) {
        if (text.startsWith("GPU-")) {
            return isUuid(text.substring(4)) ? Optional.of(new DeviceReference.Uuid(text)) : Optional.empty();
        }
        if (text.startsWith("MIG-GPU-")) {
            return instance(text.substring(4));
        }
        if (text.startsWith("MIG-")) {
            return isUuid(text.substring(4)) ? Optional.of(new DeviceReference.Uuid(text)) : Optional.empty();
        }
        int colon = text.indexOf(':');
        OptionalInt gpu = number(colon < 0 ? text : text.substring(0, colon), Integer.MAX_VALUE);
        if (colon < 0) {
            return gpu.isPresent() ? Optional.of(new DeviceReference.Index(gpu.getAsInt())) : Optional.empty();
        }
        OptionalInt device = number(text.substring(colon + 1), Integer.MAX_VALUE);
        return gpu.isPresent() && device.isPresent()
                ? Optional.of(new DeviceReference.MigIndex(gpu.getAsInt(), device.getAsInt()))
                : Optional.empty();
    }

    /** {@code GPU-uuid/gi/ci}. */
    private static Optional<DeviceReference> instance(String text) {
        int first = text.indexOf('/');
        int second = text.indexOf('/', first + 1);
        if (first < 0 || second < 0 || !isUuid(text.substring(4, first))) {
            return Optional.empty();
        }
        OptionalInt gpuInstance = number(text.substring(first + 1, second), Integer.MAX_VALUE);
        OptionalInt computeInstance = number(text.substring(second + 1), Integer.MAX_VALUE);
        return gpuInstance.isPresent() && computeInstance.isPresent()
                ? Optional.of(new DeviceReference.Instance(
                        text.substring(0, first), gpuInstance.getAsInt(), computeInstance.getAsInt()))
                : Optional.empty();
    }

    private static boolean isUuid(String text) {
        if (text.length() != 36) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            boolean dash = i == 8 || i == 13 || i == 18 || i == 23;
            if (dash ? text.charAt(i) != '-' : Character.digit(text.charAt(i), 16) < 0) {
                return false;
            }
        }
        return true;
    }

    /** A decimal number from 0 to {@code most}. */
    private static OptionalInt number(String text, int most) {
        if (text.isEmpty() || text.length() > 10) {
            return OptionalInt.empty();
        }
        long number = 0;
        for (int i = 0; i < text.length(); i++) {
            int digit = text.charAt(i) - '0';
            if (digit < 0 || digit > 9) {
                return OptionalInt.empty();
            }
            number = number * 10 + digit;
        }
        return number <= most ? OptionalInt.of((int) number) : OptionalInt.empty();
    }

    /** A resource's name; without a domain it gets NVIDIA's. */
    private static Optional<String> resourceName(RawValue value, String setting, Report report) {
        String name = value.isText() && value.text().indexOf('/') < 0 ? DOMAIN + value.text() : value.text();
        if (!value.isText() || !SettingTypes.isResource(name) || name.length() > LONGEST_NAME) {
            boolean tooLong = value.isText() && name.length() > LONGEST_NAME;
            report.problem(
                    value.place(),
                    setting,
                    value.shown()
                            + (tooLong
                                    ? " makes a name of " + name.length() + " characters"
                                    : " is not the name of a resource"),
                    "write one such as gpu or nvidia.com/gpu-large: lower-case letters, digits, dots and dashes, with its"
                            + " domain at most " + LONGEST_NAME + " characters");
            return Optional.empty();
        }
        return Optional.of(name);
    }

    /** The blocks of a list; an empty text is an empty list. */
    private static Optional<List<RawValue>> blocks(RawValue value, String setting, String example, Report report) {
        if (value.is(Kind.UNTYPED) && value.text().isEmpty()) {
            return Optional.of(List.of());
        }
        if (!value.is(Kind.LIST)) {
            report.problem(
                    value.place(),
                    setting,
                    value.is(Kind.BLOCK) ? "a block of keys is no list" : value.shown() + " is no list",
                    "write a list of blocks, such as [" + example + "]");
            return Optional.empty();
        }
        return Optional.of(value.items());
    }

    /** One block of a list, and where its problems go. */
    private record Block(RawValue value, String setting, String example, Report report) {
        /** Whether it is one; keys that it does not have are told. */
        boolean isBlock(List<String> keys) {
            if (!value.is(Kind.BLOCK)) {
                report.problem(value.place(), setting, value.shown() + " is no block of keys", "write " + example);
                return false;
            }
            for (RawValue.Key key : value.keys()) {
                if (!keys.contains(key.name())) {
                    Optional<String> near = Suggestion.nearest(key.name(), keys);
                    report.unknown(
                            key.place(),
                            setting,
                            "the entry has the unknown key \"" + RawValue.printable(key.name()) + "\"",
                            near.isPresent()
                                    ? "did you mean \"" + near.get() + "\"?"
                                    : "remove it; an entry has " + String.join(", ", keys));
                }
            }
            return true;
        }

        /** A key's value; absent when nothing is written. */
        Optional<RawValue> key(String name) {
            for (int i = 0; i < value.keys().size(); i++) {
                if (value.keys().get(i).name().equals(name)
                        && !value.items().get(i).is(Kind.NULL)) {
                    return Optional.of(value.items().get(i));
                }
            }
            return Optional.empty();
        }

        Optional<RawValue> required(String name) {
            Optional<RawValue> found = key(name);
            if (found.isEmpty()) {
                report.problem(
                        value.place(), setting, "the entry has no \"" + name + "\"", "write for example " + example);
            }
            return found;
        }
    }
}
