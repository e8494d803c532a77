package io.gpunode.agent.os;

import io.gpunode.agent.os.LoadedModule.Phase;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A folder with {@code /proc/modules} and {@code /sys/module}, and the programs that change them, with kmod's words. */
final class KernelInAFolder implements CommandRunner {
    private final Path root;
    private final Map<String, List<String>> installed = new HashMap<>();
    private final Map<String, Integer> held = new LinkedHashMap<>();
    private final Map<String, Phase> phases = new HashMap<>();

    KernelInAFolder(Path root) {
        this.root = root;
    }

    void install(String module, List<String> needs) {
        installed.put(module, needs);
    }

    void hold(String module, int more) throws IOException {
        held.merge(module, more, Integer::sum);
        write();
    }

    void phase(String module, Phase phase) throws IOException {
        phases.put(module, phase);
        write();
    }

    void insert(String module) throws IOException {
        held.put(module, 0);
        Path directory = Files.createDirectories(root.resolve("sys/module").resolve(module));
        Files.writeString(directory.resolve("version"), "1.0\n");
        write();
    }

    @Override
    public Result run(
            List<String> command, Map<String, String> environment, Path directory, Duration limit, int outputLimit)
            throws IOException {
        // chroot ROOT PROGRAM …
        List<String> words = command.subList(2, command.size());
        return switch (words.getFirst()) {
            case "insmod" -> insmod(words);
            case "modprobe" -> modprobe(words.get(2));
            case "rmmod" -> rmmod(words.get(1));
            default -> throw new IOException("Cannot run program \"" + words.getFirst() + "\"");
        };
    }

    private Result insmod(List<String> words) throws IOException {
        String name = Path.of(words.get(1)).getFileName().toString().replace(".ko", "");
        for (String needed : installed.getOrDefault(name, List.of())) {
            if (!held.containsKey(needed)) {
                return failed("insmod: ERROR: could not insert module " + words.get(1) + ": Unknown symbol in module");
            }
        }
        insert(name);
        Path parameters = Files.createDirectories(root.resolve("sys/module/" + name + "/parameters"));
        for (String word : words.subList(2, words.size())) {
            Files.writeString(
                    parameters.resolve(word.substring(0, word.indexOf('='))),
                    word.substring(word.indexOf('=') + 1) + "\n");
        }
        return new Result(0, "", "", false, false);
    }

    private Result modprobe(String name) throws IOException {
        List<String> needs = installed.get(name);
        if (needs == null) {
            return failed("modprobe: FATAL: Module " + name + " not found in directory /lib/modules/6.1.0-test");
        }
        for (String needed : needs) {
            if (!held.containsKey(needed)) {
                modprobe(needed);
            }
        }
        insert(name);
        return new Result(0, "", "", false, false);
    }

    private Result rmmod(String name) throws IOException {
        List<String> users = users(name);
        if (!users.isEmpty()) {
            return failed("rmmod: ERROR: Module " + name + " is in use by: " + String.join(" ", users));
        }
        if (held.getOrDefault(name, 0) > 0) {
            return failed("rmmod: ERROR: Module " + name + " is in use");
        }
        held.remove(name);
        Files.delete(root.resolve("sys/module").resolve(name).resolve("version"));
        write();
        return new Result(0, "", "", false, false);
    }

    private static Result failed(String error) {
        return new Result(1, "", error + "\n", false, false);
    }

    private List<String> users(String name) {
        List<String> users = new ArrayList<>();
        for (String module : held.keySet()) {
            if (installed.getOrDefault(module, List.of()).contains(name)) {
                users.add(module);
            }
        }
        return users;
    }

    private void write() throws IOException {
        List<String> lines = new ArrayList<>();
        held.forEach((name, count) -> {
            List<String> users = users(name);
            lines.addFirst(name + " 16384 " + (count + users.size()) + " "
                    + (users.isEmpty() ? "-" : String.join(",", users) + ",") + " "
                    + switch (phases.getOrDefault(name, Phase.LIVE)) {
                        case LIVE -> "Live";
                        case COMING -> "Loading";
                        case GOING -> "Unloading";
                    }
                    + " 0x0000000000000000 (OE)");
        });
        Files.createDirectories(root.resolve("proc"));
        Files.writeString(root.resolve("proc/modules"), String.join("\n", lines) + "\n");
    }
}
