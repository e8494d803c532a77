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
 * Decides which metric fields are shown: those of a ConfigMap, of a field file, or of {@code metrics.fields}. Of the last two the one that is set at
 * the stronger place counts (command line over environment over file). A ConfigMap wins over a file wherever each is set, as in dcgm-exporter, whose
 * manifests set both, and over {@code metrics.fields} at the same place or a weaker one. Puts what it finds into {@code metrics.fields}. Owned by one
 * load.
 *
 * <p>Whoever may write the ConfigMap need not be one who may configure the agent: what is wrong with it is told and keeps nothing else from being used.
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
        if (inMap > 0 && inMap >= listed && ofMap(map)) {
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
            take(judged(rows, ConfigSchema.METRICS_FIELDS.path(), report), values.place(ConfigSchema.METRICS_FIELDS));
        }
    }

    /** Whether the ConfigMap has been read and names fields. Rows that cannot be used are left out: there is no file to keep from being used. */
    private boolean ofMap(String map) {
        return switch (maps.text(map)) {
            case Answer.Text(String text) -> {
                String name = "ConfigMap " + map;
                Report ofIts = new Report(true);
                List<FieldChoice> chosen = judged(FieldFile.read(name, text, ofIts), "", ofIts);
                for (Problem problem : ofIts.problems()) {
                    report.notice(
                            new Place(problem.place(), problem.place()),
                            problem.setting(),
                            problem.what(),
                            problem.nextStep() + "; until then "
                                    + (chosen.isEmpty() ? "the ConfigMap does not count" : "the row is left out"));
                }
                for (Problem notice : ofIts.notices()) {
                    report.notice(
                            new Place(notice.place(), notice.place()),
                            notice.setting(),
                            notice.what(),
                            notice.nextStep());
                }
                if (!chosen.isEmpty()) {
                    take(chosen, new Place(name, name));
                }
                yield !chosen.isEmpty();
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
        text.ifPresent(read -> take(judged(FieldFile.read(name, read, report), "", report), Place.file(name)));
    }

    private void take(List<FieldChoice> chosen, Place place) {
        values.put(ConfigSchema.METRICS_FIELDS, List.copyOf(chosen), place);
    }

    /** The rows that can be shown. */
    private List<FieldChoice> judged(List<FieldFile.Row> rows, String setting, Report report) {
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
        return chosen;
    }
}
