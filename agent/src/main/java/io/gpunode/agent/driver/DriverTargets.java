package io.gpunode.agent.driver;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.model.DriverVersion;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Targets as the files of the driver's state have them. */
final class DriverTargets {
    private DriverTargets() {}

    static void write(JsonWriter out, DriverTarget target) {
        out.beginObject();
        if (target.driver().isPresent()) {
            write(out.name("driver"), target.driver().get());
            out.name("modules").beginArray();
            for (DriverTarget.Module module : target.modules()) {
                out.beginObject()
                        .member("name", module.name())
                        .member("byName", module.byName())
                        .name("parameters")
                        .beginObject();
                module.parameters().forEach(out::member);
                out.endObject().endObject();
            }
            out.endArray()
                    .member("firmwarePath", target.firmwarePath())
                    .member(
                            "daemons",
                            target.daemons().stream()
                                    .map(DaemonKind::name)
                                    .sorted()
                                    .toList())
                    .member("attach", target.attach());
        }
        out.endObject();
    }

    private static void write(JsonWriter out, StagedDriver driver) {
        out.beginObject()
                .member("version", driver.version().text())
                .member("type", driver.type().text())
                .member("kernel", driver.kernel())
                .member("userspaceRoot", driver.userspaceRoot().toString())
                .member("firmware", driver.firmware().map(Path::toString).orElse(""))
                .member("key", driver.key())
                .name("modules")
                .beginArray();
        for (StagedModule module : driver.modules()) {
            out.beginObject()
                    .member("name", module.name())
                    .member("path", module.path().toString())
                    .member("sha256", module.sha256())
                    .member("depends", module.depends())
                    .member("softDependencies", module.softDependencies())
                    // The host's own modules may be built anew until somebody goes back to them.
                    .member("sourceVersion", driver.key().isEmpty() ? "" : module.sourceVersion())
                    .endObject();
        }
        out.endArray().endObject();
    }

    /** @throws IllegalArgumentException when it is none */
    static DriverTarget read(JsonValue json) {
        if (json.member("driver").absent()) {
            return DriverTarget.NONE;
        }
        List<DriverTarget.Module> modules = new ArrayList<>();
        for (JsonValue module : json.member("modules").elements()) {
            Map<String, String> parameters = new LinkedHashMap<>();
            module.member("parameters").members().forEach((name, value) -> parameters.put(name, value.textOr("")));
            modules.add(new DriverTarget.Module(
                    text(module, "name"), module.member("byName").isTrue(), parameters));
        }
        Set<DaemonKind> daemons = new LinkedHashSet<>();
        texts(json.member("daemons")).forEach(name -> daemons.add(DaemonKind.valueOf(name)));
        return new DriverTarget(
                Optional.of(driver(json.member("driver"))),
                modules,
                json.member("firmwarePath").textOr(""),
                daemons,
                json.member("attach").isTrue());
    }

    private static StagedDriver driver(JsonValue json) {
        List<StagedModule> modules = new ArrayList<>();
        for (JsonValue module : json.member("modules").elements()) {
            modules.add(new StagedModule(
                    text(module, "name"),
                    Path.of(text(module, "path")),
                    module.member("sha256").textOr(""),
                    texts(module.member("depends")),
                    texts(module.member("softDependencies")),
                    module.member("sourceVersion").textOr("")));
        }
        String firmware = json.member("firmware").textOr("");
        return new StagedDriver(
                new DriverVersion(text(json, "version")),
                text(json, "type").equals(ModuleType.OPEN.text()) ? ModuleType.OPEN : ModuleType.PROPRIETARY,
                text(json, "kernel"),
                modules,
                Path.of(text(json, "userspaceRoot")),
                firmware.isEmpty() ? Optional.empty() : Optional.of(Path.of(firmware)),
                json.member("key").textOr(""));
    }

    static List<String> texts(JsonValue json) {
        List<String> texts = new ArrayList<>();
        json.elements().forEach(each -> texts.add(each.textOr("")));
        return texts;
    }

    private static String text(JsonValue json, String name) {
        return json.member(name).text().orElseThrow(() -> new IllegalArgumentException(name + " is missing"));
    }
}
