package io.gpunode.agent.config;

import io.gpunode.agent.config.ConfigMapSource.Answer;
import io.gpunode.agent.config.FieldRules.Gravity;
import io.gpunode.agent.config.FieldRules.Remark;
import io.gpunode.agent.config.SettingTypes.FieldChoices.Placed;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Decides which metric fields are shown: those of a ConfigMap, of a field file, or of {@code metrics.fields}. The one that is set at the stronger
 * place counts (command line over environment over file); a ConfigMap wins over the other two at the same place, because the exporter's manifests
 * set both. Puts what it finds into {@code metrics.fields}. Owned by one load.
 */
final class ChosenFields {
    private final ConfigLoader.Values values;
    private final FieldRules rules;
    private final ConfigMapSource maps;
    private final Map<Path, String> stamps;
    private final Report report;

    ChosenFields(
            ConfigLoader.Values values,
            FieldRules rules,
            ConfigMapSource maps,
            Map<Path, String> stamps,
            Report report) {
        this.values = values;
        this.rules = rules;
        this.maps = maps;
        this.stamps = stamps;
        this.report = report;
    }

    void choose() {
        int listed = values.rank(ConfigSchema.METRICS_FIELDS);
        String path = values.get(ConfigSchema.METRICS_FIELDS_FILE);
        int inFile = path.isEmpty() ? 0 : values.rank(ConfigSchema.METRICS_FIELDS_FILE);
        String map = values.get(ConfigSchema.METRICS_CONFIG_MAP);
        int inMap = map.isEmpty() ? 0 : values.rank(ConfigSchema.METRICS_CONFIG_MAP);
        if (inMap > 0 && inMap >= Math.max(inFile, listed) && ofMap(map)) {
            return;
        }
        if (inFile > 0 && inFile == listed) {
            report.problem(
                    values.place(ConfigSchema.METRICS_FIELDS_FILE),
                    ConfigSchema.METRICS_FIELDS_FILE.path(),
                    "is set beside " + ConfigSchema.METRICS_FIELDS.path() + " ("
                            + values.place(ConfigSchema.METRICS_FIELDS).problemText() + ")",
                    "keep one of the two");
        } else if (inFile > listed) {
            ofFile(path);
        } else if (listed > 0) {
            List<FieldFile.Row> rows = new ArrayList<>();
            for (Placed one : values.raw(ConfigSchema.METRICS_FIELDS)
                    .flatMap(raw -> SettingTypes.FieldChoices.placed(raw, "", new Report(true)))
                    .orElse(List.of())) {
                rows.add(new FieldFile.Row(one.choice(), one.place()));
            }
            take(rows, values.place(ConfigSchema.METRICS_FIELDS), ConfigSchema.METRICS_FIELDS.path());
        }
    }

    /** Whether the ConfigMap has been read. */
    private boolean ofMap(String map) {
        return switch (maps.text(map)) {
            case Answer.Text(String text) -> {
                String name = "ConfigMap " + map;
                take(FieldFile.read(name, text, report), new Place(name, name), "");
                yield true;
            }
            case Answer.Unknown(String why) -> {
                report.notice(
                        values.place(ConfigSchema.METRICS_CONFIG_MAP),
                        ConfigSchema.METRICS_CONFIG_MAP.path(),
                        "the ConfigMap \"" + map + "\" has not been read: " + why,
                        "until it has, /metrics shows what the field file or the default says");
                yield false;
            }
        };
    }

    private void ofFile(String name) {
        Path file = Path.of(name);
        stamps.put(file, FileStamps.of(file));
        Optional<List<FieldChoice>> shipped = DefaultFields.shipped(name);
        if (shipped.isPresent() && !Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            report.notice(
                    values.place(ConfigSchema.METRICS_FIELDS_FILE),
                    ConfigSchema.METRICS_FIELDS_FILE.path(),
                    "\"" + name + "\" is not there",
                    "the fields that dcgm-exporter's file of this name has are shown");
            values.put(ConfigSchema.METRICS_FIELDS, shipped.get(), values.place(ConfigSchema.METRICS_FIELDS_FILE));
            return;
        }
        Optional<String> text = TextFile.read(file, report);
        text.ifPresent(read -> take(FieldFile.read(name, read, report), Place.file(name), ""));
    }

    private void take(List<FieldFile.Row> rows, Place place, String setting) {
        boolean leaveOut = values.get(ConfigSchema.METRICS_LEAVE_OUT_UNAVAILABLE);
        List<FieldChoice> chosen = new ArrayList<>();
        for (FieldFile.Row row : rows) {
            Optional<Remark> remark = rules.judge(row.choice());
            Gravity gravity = remark.map(Remark::gravity).orElse(Gravity.SHOWN);
            if (gravity == Gravity.SHOWN) {
                chosen.add(row.choice());
            }
            if (remark.isEmpty()) {
                continue;
            }
            String what = remark.get().what();
            String nextStep = remark.get().nextStep();
            switch (gravity) {
                case SHOWN -> report.notice(row.place(), setting, what, nextStep);
                case UNKNOWN -> report.problem(row.place(), setting, what, nextStep);
                case UNAVAILABLE -> {
                    if (leaveOut) {
                        report.notice(row.place(), setting, what, "it is left out");
                    } else {
                        report.problem(
                                row.place(),
                                setting,
                                what,
                                nextStep + ", or set " + ConfigSchema.METRICS_LEAVE_OUT_UNAVAILABLE.path()
                                        + " to true to leave such fields out");
                    }
                }
            }
        }
        values.put(ConfigSchema.METRICS_FIELDS, List.copyOf(chosen), place);
    }
}
