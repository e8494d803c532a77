package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.SystemHostFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A process of its own that puts one object after the other until it is killed. Its argument is the host's root. */
final class StorePutter {
    private StorePutter() {}

    public static void main(String[] arguments) throws Exception {
        SystemHostFiles files = new SystemHostFiles(Path.of(arguments[0]));
        DriverStore store = new DriverStore(files, DriverStore.DIRECTORY);
        long number = ProcessHandle.current().pid() * 1_000L;
        while (true) {
            try (DriverStore.Change change = store.change()) {
                Path draft = change.draft();
                for (int i = 0; i < 20; i++) {
                    Files.writeString(
                            files.resolve(draft).resolve("nvidia" + i + ".ko"),
                            "module " + number + " ".repeat(20_000));
                }
                Files.writeString(files.resolve(draft).resolve("nvidia.ko"), "module " + number);
                change.put(
                        draft,
                        new DriverStore.Description(
                                DriverManifest.Kind.MODULES,
                                new DriverVersion("570." + number++ % 100_000),
                                "x86_64",
                                Optional.of(ModuleType.OPEN),
                                "6.1",
                                "",
                                "",
                                "",
                                List.of(new DriverManifest.Module("nvidia", "nvidia.ko", List.of(), List.of()))),
                        Progress.NONE);
                System.out.println("put");
                change.prune(3);
            }
        }
    }
}
