package io.gpunode.agent.driver;

import io.gpunode.agent.driver.DaemonRecipe.Command;
import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the next agent must know of a child of this one: which process it is and how it was started. Kept in {@link DaemonHost#DIRECTORY}. A file that does not
 * make sense is as good as none: the process is then somebody's.
 */
record DaemonRecord(ProcessIdentity process, Command command, String version) {
    private static final int SIZE_LIMIT = 64 << 10;
    private static final String MODE = "rw-------";

    private static Path file(DaemonKind kind) {
        return DaemonHost.DIRECTORY.resolve(kind.program() + ".json");
    }

    /** What is kept of a daemon; empty when nothing is. */
    static Optional<DaemonRecord> read(HostFiles files, DaemonKind kind) throws IOException {
        Optional<String> text = files.readText(file(kind), SIZE_LIMIT);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        try {
            JsonValue record = JsonValue.parse(text.get());
            JsonValue process = record.member("process");
            List<String> arguments = record.member("arguments").elements().stream()
                    .map(each -> each.textOr(""))
                    .toList();
            Map<String, String> environment = new LinkedHashMap<>();
            record.member("environment").members().forEach((name, value) -> environment.put(name, value.textOr("")));
            long pid = process.member("pid").wholeNumber().orElse(0);
            long started = process.member("startedMillis").wholeNumber().orElse(-1);
            String executable = process.member("executable").textOr("");
            if (pid <= 0 || pid > Integer.MAX_VALUE || started < 0 || executable.isEmpty() || arguments.isEmpty()) {
                return Optional.empty();
            }
            return Optional.of(new DaemonRecord(
                    new ProcessIdentity((int) pid, started, executable),
                    new Command(
                            arguments, environment, record.member("background").isTrue()),
                    record.member("version").textOr("")));
        } catch (JsonException e) {
            return Optional.empty();
        }
    }

    void write(HostFiles files, DaemonKind kind) throws IOException {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.name("process")
                .beginObject()
                .member("pid", process.pid())
                .member("startedMillis", process.startedMillis())
                .member("executable", process.executable())
                .endObject();
        out.member("arguments", command.arguments()).name("environment").beginObject();
        command.environment().forEach(out::member);
        out.endObject()
                .member("background", command.background())
                .member("version", version)
                .endObject();
        files.replace(file(kind), (out + "\n").getBytes(StandardCharsets.UTF_8), MODE);
    }

    static void remove(HostFiles files, DaemonKind kind) throws IOException {
        files.delete(file(kind));
    }
}
