package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import io.gpunode.agent.config.RawValue;
import io.gpunode.agent.config.RawValue.Kind;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.YamlFile;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Reads a {@link MigConfigFile}, YAML or JSON, as mig-parted does, and tells everything that is wrong with it, each with its place. What
 * mig-parted passes over without a word (a filter that can match no GPU, an index that is negative) is wrong here.
 */
public final class MigConfigReader {
    private static final String NEXT_STEP = "correct it and check with: gpu-node-agent mig assert -a -f FILE";
    private static final String CONFIGS = "mig-configs";
    private static final String FILTER = "device-filter";
    private static final String GPUS = "devices";
    private static final String ENABLED = "mig-enabled";
    private static final String DEVICES = "mig-devices";
    private static final List<String> ENTRY_KEYS = List.of(FILTER, GPUS, ENABLED, DEVICES);
    private static final int MOST_GPUS = 1024;
    private static final int MOST_DEVICES = 999;

    private final Report report;

    private MigConfigReader(Report report) {
        this.report = report;
    }

    /**
     * Reads a file's text; empty when anything is wrong with it, which is then reported.
     *
     * @param name of the file, for places
     */
    public static Optional<MigConfigFile> read(String name, String text, Report report) {
        int before = report.problems().size();
        Optional<RawValue> root = YamlFile.read(name, text, NEXT_STEP, report);
        if (root.isEmpty() || root.get().is(Kind.NULL)) {
            if (report.problems().size() == before) {
                report.problem(
                        YamlFile.start(name),
                        "",
                        "the file is empty",
                        "write one by hand, or let it be written: gpu-node-agent mig generate-config");
            }
            return Optional.empty();
        }
        Map<String, List<MigConfigFile.Entry>> layouts = new MigConfigReader(report).file(root.get());
        return report.problems().size() == before ? Optional.of(new MigConfigFile(layouts)) : Optional.empty();
    }

    private Map<String, List<MigConfigFile.Entry>> file(RawValue root) {
        Map<String, List<MigConfigFile.Entry>> layouts = new LinkedHashMap<>();
        FileBlocks blocks = new FileBlocks(report);
        Optional<Map<String, RawValue>> keys = blocks.keys(root, "", List.of("version", CONFIGS));
        if (keys.isEmpty()) {
            return layouts;
        }
        blocks.version(keys.get().get("version"), root.place(), "version", MigConfigFile.VERSION);
        RawValue configs = keys.get().get(CONFIGS);
        if (configs == null || !configs.is(Kind.BLOCK) || configs.keys().isEmpty()) {
            report.problem(
                    configs == null ? root.place() : configs.place(),
                    CONFIGS,
                    configs == null ? "is missing" : FileBlocks.shown(configs) + " names no layout",
                    "write the layouts below it, each with its name");
            return layouts;
        }
        for (int i = 0; i < configs.keys().size(); i++) {
            RawValue.Key label = configs.keys().get(i);
            String path = CONFIGS + "." + RawValue.printable(label.name());
            if (label.name().isEmpty()) {
                report.problem(label.place(), CONFIGS, "a layout has no name", "give it one, such as all-balanced");
            }
            layouts.put(label.name(), layout(configs.items().get(i), path));
        }
        return layouts;
    }

    private List<MigConfigFile.Entry> layout(RawValue layout, String path) {
        List<MigConfigFile.Entry> entries = new ArrayList<>();
        if (!layout.is(Kind.LIST) || layout.items().isEmpty()) {
            report.problem(
                    layout.place(),
                    path,
                    FileBlocks.shown(layout) + " is not a list of at least one entry",
                    "write entries below it: - devices: all");
            return entries;
        }
        for (RawValue item : layout.items()) {
            entry(item, path).ifPresent(entries::add);
        }
        return entries;
    }

    private Optional<MigConfigFile.Entry> entry(RawValue entry, String path) {
        Optional<Map<String, RawValue>> found = new FileBlocks(report).keys(entry, path, ENTRY_KEYS);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        Map<String, RawValue> keys = found.get();
        List<MigConfigFilter> filters = filters(keys.get(FILTER), path + "." + FILTER);
        List<Integer> gpus = gpus(keys.get(GPUS), entry.place(), path + "." + GPUS);
        Optional<Boolean> enabled = enabled(keys.get(ENABLED), entry.place(), path + "." + ENABLED);
        RawValue listed = keys.get(DEVICES);
        List<MigConfigFile.Devices> devices = List.of();
        if (listed == null || listed.is(Kind.NULL)) {
            if (enabled.orElse(false)) {
                report.problem(
                        listed == null ? entry.place() : listed.place(),
                        path + "." + DEVICES,
                        listed == null ? "is missing" : "is empty",
                        "write the MIG devices, or {} for none");
            }
        } else {
            devices = devices(listed, path + "." + DEVICES);
            boolean empty = listed.is(Kind.BLOCK) && listed.keys().isEmpty();
            if (!enabled.orElse(true) && !empty) {
                report.problem(
                        listed.place(),
                        path + "." + DEVICES,
                        "there can be none while " + ENABLED + " is false",
                        "remove it, or write " + ENABLED + ": true");
            }
        }
        return Optional.of(new MigConfigFile.Entry(filters, gpus, enabled.orElse(false), devices, entry.place()));
    }

    private List<MigConfigFilter> filters(@Nullable RawValue value, String path) {
        Set<MigConfigFilter> filters = new TreeSet<>();
        if (value == null
                || value.is(Kind.NULL)
                || (value.isText() && value.text().isEmpty())) {
            return List.of();
        }
        for (RawValue item : value.is(Kind.LIST) ? value.items() : List.of(value)) {
            try {
                if (!item.isText()) {
                    throw new IllegalArgumentException("not a string");
                }
                filters.add(MigConfigFilter.parse(item.text()));
            } catch (IllegalArgumentException e) {
                report.problem(
                        item.place(),
                        path,
                        FileBlocks.shown(item) + " is not a device id",
                        "write device and vendor as a string, such as \"0x20B210DE\", with \":0x146310DE\" behind it"
                                + " for one board only; lspci -nn lists them");
            }
        }
        return List.copyOf(filters);
    }

    private List<Integer> gpus(@Nullable RawValue value, Place entry, String path) {
        String nextStep = "write all, or a list of indices, such as [0, 1]";
        if (value == null) {
            report.problem(entry, path, "is missing", nextStep);
            return List.of();
        }
        if (value.isText() && value.text().equals("all")) {
            return List.of();
        }
        if (!value.is(Kind.LIST)) {
            report.problem(value.place(), path, FileBlocks.shown(value) + " names no GPUs", nextStep);
            return List.of();
        }
        if (value.items().isEmpty()) {
            report.problem(value.place(), path, "the list names no GPU", nextStep);
        }
        Set<Integer> gpus = new TreeSet<>();
        for (RawValue item : value.items()) {
            OptionalInt index = FileBlocks.number(item, MOST_GPUS - 1);
            if (index.isEmpty()) {
                report.problem(
                        item.place(),
                        path,
                        FileBlocks.shown(item) + " is not the index of a GPU",
                        "write a whole number from 0 to " + (MOST_GPUS - 1) + "; GPUs count in PCI order");
            } else {
                gpus.add(index.getAsInt());
            }
        }
        return List.copyOf(gpus);
    }

    private Optional<Boolean> enabled(@Nullable RawValue value, Place entry, String path) {
        if (value != null && value.is(Kind.BOOLEAN)) {
            return Optional.of(value.text().equalsIgnoreCase("true"));
        }
        report.problem(
                value == null ? entry : value.place(),
                path,
                value == null ? "is missing" : FileBlocks.shown(value) + " is neither true nor false",
                "write true or false");
        return Optional.empty();
    }

    private List<MigConfigFile.Devices> devices(RawValue value, String path) {
        if (!value.is(Kind.BLOCK)) {
            report.problem(
                    value.place(),
                    path,
                    FileBlocks.shown(value) + " stands where profiles with their counts are expected",
                    "write for example \"1g.10gb\": 7, or {} for none");
            return List.of();
        }
        Map<MigConfigProfile, MigConfigFile.Devices> devices = new TreeMap<>();
        Set<MigConfigProfile> seen = new HashSet<>();
        boolean wrong = false;
        for (int i = 0; i < value.keys().size(); i++) {
            RawValue.Key key = value.keys().get(i);
            RawValue count = value.items().get(i);
            OptionalInt number = FileBlocks.number(count, MOST_DEVICES);
            if (number.isEmpty()) {
                wrong = true;
                report.problem(
                        count.place(),
                        path + "." + RawValue.printable(key.name()),
                        FileBlocks.shown(count) + " is not a number of MIG devices",
                        "write a whole number from 0 to " + MOST_DEVICES);
            }
            try {
                MigConfigProfile profile = MigConfigProfile.parse(key.name());
                if (!seen.add(profile)) {
                    wrong = true;
                    report.problem(
                            key.place(),
                            path,
                            "the profile " + profile + " is given twice",
                            "keep one, with the count of both");
                } else if (number.orElse(0) > 0) {
                    devices.put(profile, new MigConfigFile.Devices(profile, number.getAsInt(), key.place()));
                }
            } catch (IllegalArgumentException e) {
                wrong = true;
                report.problem(
                        key.place(),
                        path,
                        "\"" + RawValue.printable(key.name()) + "\" is not a MIG profile: " + e.getMessage(),
                        "write for example 1g.10gb, 1c.3g.40gb or 1g.10gb+me");
            }
        }
        if (!wrong && devices.isEmpty() && !value.keys().isEmpty()) {
            report.problem(value.place(), path, "every count is 0", "write {} when no MIG devices are wanted");
        }
        return List.copyOf(devices.values());
    }
}
