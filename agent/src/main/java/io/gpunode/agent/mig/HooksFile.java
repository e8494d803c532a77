package io.gpunode.agent.mig;

import io.gpunode.agent.config.RawValue;
import io.gpunode.agent.config.RawValue.Kind;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.YamlFile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A hooks file of mig-parted, version 1: commands that are run at points of a change of MIG geometry.
 *
 * @param hooks in their order, by their points; a point without hooks is absent
 */
public record HooksFile(Map<Point, List<Hook>> hooks) {
    private static final String VERSION = "v1";
    private static final String NEXT_STEP = "correct it; the form is in docs/mig.md";

    public HooksFile {
        Map<Point, List<Hook>> copy = new EnumMap<>(Point.class);
        hooks.forEach((point, list) -> copy.put(point, List.copyOf(list)));
        hooks = Collections.unmodifiableMap(copy);
    }

    /** When hooks are run. */
    public enum Point {
        /** First of all. */
        APPLY_START("apply-start"),
        /** Before MIG mode is changed, if it is. */
        PRE_APPLY_MODE("pre-apply-mode"),
        /** Before instances are changed, if they are. */
        PRE_APPLY_CONFIG("pre-apply-config"),
        /** Last of all, also after a failure. */
        APPLY_EXIT("apply-exit");

        private final String key;

        Point(String key) {
            this.key = key;
        }

        /** As the file names it. */
        public String key() {
            return key;
        }
    }

    /**
     * A command.
     *
     * @param command a program, looked for in PATH when it has no slash
     * @param arguments without the program's name
     * @param environment all variables that the program gets beside those of the change
     * @param directory where it is started; empty for where the caller is
     */
    public record Hook(String command, List<String> arguments, Map<String, String> environment, String directory) {
        public Hook {
            arguments = List.copyOf(arguments);
            environment = Collections.unmodifiableMap(new LinkedHashMap<>(environment));
        }
    }

    /**
     * Reads a file's text; empty when anything is wrong with it, which is then reported.
     *
     * @param name of the file, for places
     */
    public static Optional<HooksFile> read(String name, String text, Report report) {
        int before = report.problems().size();
        Optional<RawValue> root = YamlFile.read(name, text, NEXT_STEP, report);
        if (root.isEmpty()) {
            if (report.problems().size() == before) {
                report.problem(YamlFile.start(name), "", "the file is empty", "name a file of hooks, or none");
            }
            return Optional.empty();
        }
        HooksFile read = new Reader(new FileBlocks(report)).file(root.get());
        return report.problems().size() == before ? Optional.of(read) : Optional.empty();
    }

    /** Makes records of values. */
    private record Reader(FileBlocks blocks) {
        HooksFile file(RawValue root) {
            Map<Point, List<Hook>> hooks = new EnumMap<>(Point.class);
            Optional<Map<String, RawValue>> keys = blocks.keys(root, "", List.of("version", "hooks"));
            if (keys.isEmpty()) {
                return new HooksFile(hooks);
            }
            blocks.version(keys.get().get("version"), root.place(), "version", VERSION);
            RawValue points = keys.get().get("hooks");
            if (points == null) {
                blocks.report().problem(root.place(), "hooks", "is missing", NEXT_STEP);
                return new HooksFile(hooks);
            }
            Map<String, RawValue> listed = blocks.keys(
                            points,
                            "hooks",
                            Arrays.stream(Point.values()).map(Point::key).toList())
                    .orElse(Map.of());
            for (Point point : Point.values()) {
                List<Hook> found = new ArrayList<>();
                for (RawValue hook : list(listed.get(point.key()), "hooks." + point.key())) {
                    hook(hook, "hooks." + point.key()).ifPresent(found::add);
                }
                if (!found.isEmpty()) {
                    hooks.put(point, found);
                }
            }
            return new HooksFile(hooks);
        }

        private Optional<Hook> hook(RawValue value, String path) {
            Optional<Map<String, RawValue>> keys =
                    blocks.keys(value, path, List.of("command", "args", "envs", "workdir"));
            if (keys.isEmpty()) {
                return Optional.empty();
            }
            String command = text(keys.get().get("command"), path + ".command");
            if (command.isEmpty()) {
                blocks.report().problem(value.place(), path + ".command", "names no program", NEXT_STEP);
            }
            List<String> arguments = new ArrayList<>();
            for (RawValue argument : list(keys.get().get("args"), path + ".args")) {
                arguments.add(text(argument, path + ".args"));
            }
            Map<String, String> environment = new LinkedHashMap<>();
            RawValue variables = keys.get().get("envs");
            if (variables != null && !variables.is(Kind.NULL)) {
                environment(variables, path + ".envs", environment);
            }
            return Optional.of(
                    new Hook(command, arguments, environment, text(keys.get().get("workdir"), path + ".workdir")));
        }

        private void environment(RawValue variables, String path, Map<String, String> environment) {
            if (!variables.is(Kind.BLOCK)) {
                blocks.report()
                        .problem(
                                variables.place(),
                                path,
                                FileBlocks.shown(variables) + " stands where variables are expected",
                                "write each as NAME: value");
                return;
            }
            for (int i = 0; i < variables.keys().size(); i++) {
                RawValue.Key name = variables.keys().get(i);
                if (name.name().isEmpty()
                        || name.name().indexOf('=') >= 0
                        || name.name().indexOf('\0') >= 0) {
                    blocks.report()
                            .problem(
                                    name.place(),
                                    path,
                                    "\"" + RawValue.printable(name.name()) + "\" is not the name of a variable",
                                    NEXT_STEP);
                }
                environment.put(name.name(), text(variables.items().get(i), path));
            }
        }

        /** A string as it is written; a number or a truth value has to be in quotation marks, as in mig-parted. */
        private String text(@Nullable RawValue value, String path) {
            if (value == null || value.is(Kind.NULL)) {
                return "";
            }
            if (!value.isText()) {
                blocks.report()
                        .problem(
                                value.place(),
                                path,
                                FileBlocks.shown(value) + " is not a string",
                                "write it in quotation marks");
                return "";
            }
            if (value.text().indexOf('\0') >= 0) {
                blocks.report().problem(value.place(), path, FileBlocks.shown(value) + " has a zero byte", NEXT_STEP);
            }
            return value.text();
        }

        private List<RawValue> list(@Nullable RawValue value, String path) {
            if (value == null || value.is(Kind.NULL)) {
                return List.of();
            }
            if (!value.is(Kind.LIST)) {
                blocks.report()
                        .problem(
                                value.place(),
                                path,
                                FileBlocks.shown(value) + " is not a list",
                                "write a list below it");
                return List.of();
            }
            return value.items();
        }
    }
}
