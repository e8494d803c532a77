package io.gpunode.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The loading and unloading of modules below a node's folder: what an agent starts there as {@code modprobe} or {@code rmmod} (through {@code chroot}) changes
 * {@code proc/modules} and {@code sys/module}, takes a known time, and writes down how long it took. One thread.
 */
final class StandInKernel {
    /** In the order in which they are loaded. */
    static final List<String> MODULES = List.of("nvidia", "nvidia_modeset", "nvidia_uvm");

    private static final String RELEASE = "6.1.0-benchmark";
    private static final String OTHER_VERSION = "470.1.1";
    private static final int COMPILED_SECONDS = 30;

    /** What each program takes, in seconds: enough to see whether an agent waits in steps of its own. */
    private static final String TAKES = "0.05";

    private static final String CHROOT = """
            #!/bin/bash
            # chroot ROOT PROGRAM [--] MODULE [PARAMETER...]
            export LC_ALL=C
            begin=$EPOCHREALTIME
            root=$1; program=$2; shift 2
            [ "$1" = "--" ] && shift
            name=${1##*/}; name=${name%%.ko}; name=${name//-/_}
            sleep %s
            case $program in
              modprobe|insmod) mkdir -p "$root/sys/module/$name"; cp "$root/version" "$root/sys/module/$name/version" ;;
              rmmod) rm -r "$root/sys/module/$name" ;;
              *) exit 127 ;;
            esac
            for each in nvidia_modeset nvidia_uvm nvidia; do
              [ -d "$root/sys/module/$each" ] || continue
              users=; count=0
              if [ $each = nvidia ]; then
                for other in nvidia_modeset nvidia_uvm; do
                  [ -d "$root/sys/module/$other" ] && users="$users$other," && count=$((count + 1))
                done
              fi
              echo "$each 1000 $count ${users:--} Live 0x0 (OE)"
            done > "$root/proc/modules.new"
            mv "$root/proc/modules.new" "$root/proc/modules"
            echo $((${EPOCHREALTIME/./} - ${begin/./})) >> "$root/tools"
            """.formatted(TAKES);

    private final Path root;
    private final String version;

    private StandInKernel(Path root, String version) {
        this.root = root;
        this.version = version;
    }

    /**
     * Lays it out with the modules of a driver installed and none loaded.
     *
     * @param version of the driver
     */
    static StandInKernel install(Path root, String version) throws IOException, InterruptedException {
        StandInKernel kernel = new StandInKernel(root, version);
        Path programs = Files.createDirectories(root.resolve("programs"));
        Path chroot = Files.writeString(programs.resolve("chroot"), CHROOT);
        Files.setPosixFilePermissions(chroot, PosixFilePermissions.fromString("rwxr-xr-x"));
        kernel.write("version", version + "\n");
        kernel.write("proc/sys/kernel/osrelease", RELEASE + "\n");
        kernel.write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
        kernel.empty();
        String modules = "lib/modules/" + RELEASE + "/";
        kernel.write(modules + "modules.dep", """
                updates/nvidia.ko:
                updates/nvidia-uvm.ko: updates/nvidia.ko
                updates/nvidia-modeset.ko: updates/nvidia.ko
                """);
        for (String name : MODULES) {
            kernel.compile(root.resolve(modules + "updates/" + name.replace('_', '-') + ".ko"), name);
        }
        return kernel;
    }

    /** As after a boot. */
    void empty() throws IOException {
        write("proc/modules", "");
        Path loaded = root.resolve("sys/module");
        if (Files.exists(loaded)) {
            try (Stream<Path> files = Files.walk(loaded)) {
                files.sorted(Comparator.reverseOrder()).forEach(file -> {
                    try {
                        Files.delete(file);
                    } catch (IOException e) {
                        throw new UncheckedIOException("cannot remove " + file, e);
                    }
                });
            }
        }
        Files.createDirectories(loaded);
    }

    /** Has what is loaded be of another version than what is installed. */
    void age() throws IOException {
        for (String name : MODULES) {
            write("sys/module/" + name + "/version", OTHER_VERSION + "\n");
        }
    }

    /** Variables with which an agent finds these programs first. */
    Map<String, String> environment() {
        return Map.of("PATH", root.resolve("programs") + ":" + System.getenv("PATH"));
    }

    /**
     * What the programs took together since this was asked last, in nanoseconds.
     *
     * @param count of them that is expected
     */
    long takenBy(int count) throws IOException {
        Path file = root.resolve("tools");
        List<String> lines = Files.exists(file) ? Files.readAllLines(file) : List.of();
        Files.deleteIfExists(file);
        if (lines.size() != count) {
            throw new IOException(lines.size() + " programs were run, and not " + count);
        }
        long micros = 0;
        for (String line : lines) {
            micros += Long.parseLong(line);
        }
        return TimeUnit.MICROSECONDS.toNanos(micros);
    }

    /** A module's file as far as it is looked at: an object with a section {@code .modinfo}. */
    private void compile(Path file, String name) throws IOException, InterruptedException {
        Files.createDirectories(file.getParent());
        String source = "__attribute__((section(\".modinfo\"), used)) static const char information[] = \"version="
                + version + "\\0license=Dual MIT/GPL\\0depends=" + (name.equals("nvidia") ? "" : "nvidia") + "\\0name="
                + name + "\\0vermagic=" + RELEASE + " SMP preempt mod_unload modversions \";\n";
        Process compiler = new ProcessBuilder("cc", "-c", "-x", "c", "-o", file.toString(), "-")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        compiler.getOutputStream().write(source.getBytes(StandardCharsets.US_ASCII));
        compiler.getOutputStream().close();
        if (!compiler.waitFor(COMPILED_SECONDS, TimeUnit.SECONDS) || compiler.exitValue() != 0) {
            throw new IOException("cc did not make " + file);
        }
    }

    private void write(String path, String text) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
