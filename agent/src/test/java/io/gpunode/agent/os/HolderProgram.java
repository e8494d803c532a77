package io.gpunode.agent.os;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Real processes that hold device nodes: {@code src/test/c/holder.c}, compiled by the machine's C compiler. */
public final class HolderProgram implements AutoCloseable {
    private static final Path SOURCE = Path.of("src/test/c/holder.c");

    private final Path program;
    private final List<Process> running = new ArrayList<>();

    private HolderProgram(Path program) {
        this.program = program;
    }

    /** Compiles it into a folder. */
    public static HolderProgram compile(Path folder) throws IOException, InterruptedException {
        Path program = folder.resolve("holder");
        CommandRunner.Result result = new SystemCommandRunner()
                .run(
                        List.of(
                                "cc",
                                "-O1",
                                "-pthread",
                                "-o",
                                program.toString(),
                                SOURCE.toAbsolutePath().toString()),
                        Duration.ofSeconds(30),
                        10_000);
        if (!result.ok()) {
            throw new IOException("cc: " + result.error());
        }
        return new HolderProgram(program);
    }

    /** Makes a character device; false where that is not allowed or devices of the folder cannot be opened. */
    public static boolean makeNode(Path node, int major, int minor) throws IOException {
        try {
            new SystemDeviceNodes(new SystemHostFiles(Path.of("/")))
                    .create(node, new DeviceNodes.CharacterDevice(major, minor, 0666, 0, 0));
            Files.newByteChannel(node).close();
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Where the program is, for starting it in another way. */
    public Path path() {
        return program;
    }

    /**
     * Starts it and waits until it holds the node.
     *
     * @return its pid
     */
    public int hold(String way, Path node) throws IOException {
        return start(List.of(program.toString(), way, node.toString()));
    }

    /** Starts a command that ends in this program. */
    public int start(List<String> command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        running.add(process);
        BufferedReader out =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = out.readLine();
        if (!"ready".equals(line)) {
            throw new IOException(command + " said " + line);
        }
        return (int) process.pid();
    }

    @Override
    public void close() {
        for (Process process : running) {
            process.destroyForcibly();
        }
        for (Process process : running) {
            try {
                process.waitFor(5, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
