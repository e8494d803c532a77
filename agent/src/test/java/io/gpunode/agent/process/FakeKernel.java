package io.gpunode.agent.process;

import io.gpunode.agent.testing.KernelObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A kernel below a folder, as far as loading and unloading the driver's modules is concerned: {@code modprobe}, {@code insmod} and {@code rmmod}, as an agent
 * runs them on a host that it sees below another root, change {@code proc/modules} and {@code sys/module} there. It refuses what the kernel would refuse, and
 * ends whoever calls it where it is told to.
 */
final class FakeKernel {
    private static final String RELEASE = "6.1.0-test";

    private static final String CHROOT = """
            #!/bin/sh
            # chroot ROOT PROGRAM [--] MODULE [PARAMETER...]
            root=$1; program=$2; shift 2
            [ "$1" = "--" ] && shift
            name=$(basename "$1" .ko | tr - _)
            list() {
              : > "$root/proc/modules.new"
              for each in nvidia_modeset nvidia_uvm nvidia; do
                [ -d "$root/sys/module/$each" ] || continue
                users=; count=0
                if [ $each = nvidia ]; then
                  for other in nvidia_modeset nvidia_uvm; do
                    [ -d "$root/sys/module/$other" ] && users="$users$other," && count=$((count + 1))
                  done
                  [ -e "$root/held" ] && count=$((count + 1))
                fi
                echo "$each 1000 $count ${users:--} Live 0x0 (OE)" >> "$root/proc/modules.new"
              done
              mv "$root/proc/modules.new" "$root/proc/modules"
            }
            die() { if [ -e "$root/end.$1.$program.$name" ]; then rm "$root/end.$1.$program.$name"; kill -9 $PPID; exit 1; fi; }
            die before
            case $program in
              modprobe|insmod)
                if [ -e "$root/refuse.$name" ]; then
                  echo "modprobe: ERROR: could not insert '$name': No such device" >&2; exit 1
                fi
                if [ $name != nvidia ] && [ ! -d "$root/sys/module/nvidia" ]; then
                  echo "modprobe: ERROR: could not insert '$name': Unknown symbol in module" >&2; exit 1
                fi
                mkdir -p "$root/sys/module/$name"
                cp "$root/version" "$root/sys/module/$name/version"
                ;;
              rmmod)
                if [ $name = nvidia ] && { [ -d "$root/sys/module/nvidia_uvm" ] || [ -d "$root/sys/module/nvidia_modeset" ]; }; then
                  echo "rmmod: ERROR: Module nvidia is in use by: nvidia_uvm" >&2; exit 1
                fi
                rm -r "$root/sys/module/$name"
                ;;
              *) exit 127 ;;
            esac
            list
            die after
            """;

    private final Path root;

    /** @param version of the driver whose modules are installed */
    FakeKernel(Path root, String version) throws IOException {
        this.root = root;
        Path programs = Files.createDirectories(root.resolve("programs"));
        Path chroot = Files.writeString(programs.resolve("chroot"), CHROOT);
        Files.setPosixFilePermissions(chroot, PosixFilePermissions.fromString("rwxr-xr-x"));
        write("version", version + "\n");
        write("proc/modules", "");
        write("proc/sys/kernel/osrelease", RELEASE + "\n");
        write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
        deleteTree(root.resolve("sys/module"));
        Files.createDirectories(root.resolve("sys/module"));
        String modules = "lib/modules/" + RELEASE + "/";
        write(modules + "modules.dep", """
                updates/nvidia.ko:
                updates/nvidia-uvm.ko: updates/nvidia.ko
                updates/nvidia-modeset.ko: updates/nvidia.ko
                """);
        for (String name : List.of("nvidia", "nvidia-uvm", "nvidia-modeset")) {
            Path file = root.resolve(modules + "updates/" + name + ".ko");
            Files.createDirectories(file.getParent());
            Files.write(
                    file,
                    KernelObject.with(
                            "version=" + version,
                            "license=Dual MIT/GPL",
                            "depends=" + (name.equals("nvidia") ? "" : "nvidia"),
                            "name=" + name.replace('-', '_'),
                            "vermagic=" + RELEASE + " SMP preempt mod_unload modversions "));
        }
    }

    private void write(String path, String text) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private static void deleteTree(Path tree) throws IOException {
        if (!Files.exists(tree)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(tree)) {
            walk.sorted(java.util.Comparator.reverseOrder()).forEach(path -> {
                try {
                    Files.delete(path);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }

    /** Variables with which an agent finds these programs first. */
    Map<String, String> environment() {
        return Map.of("PATH", root.resolve("programs") + ":" + System.getenv("PATH"));
    }

    /**
     * Ends the agent that has this done next, as {@code kill -9} does.
     *
     * @param when {@code before} or {@code after} it is done
     */
    void endAt(String when, String program, String module) throws IOException {
        write("end." + when + "." + program + "." + module, "");
    }

    /** A module that the kernel does not take, until {@link #accepts}. */
    void refuses(String module) throws IOException {
        write("refuse." + module, "");
    }

    /** Ends {@link #refuses}. */
    void accepts(String module) throws IOException {
        Files.delete(root.resolve("refuse." + module));
    }

    /** Something holds the driver from inside the kernel, until {@link #letGo}. The modules are loaded. */
    void hold() throws IOException {
        write("held", "");
        write("proc/modules", modules().replace("nvidia 1000 2 ", "nvidia 1000 3 "));
    }

    /** Ends {@link #hold}. */
    void letGo() throws IOException {
        Files.delete(root.resolve("held"));
        write("proc/modules", modules().replace("nvidia 1000 3 ", "nvidia 1000 2 "));
    }

    private String modules() throws IOException {
        return Files.readString(root.resolve("proc/modules"));
    }

    /** What is loaded is of another version than what is installed from now on. */
    void isOfVersion(String version) throws IOException {
        for (String name : loaded()) {
            write("sys/module/" + name + "/version", version + "\n");
        }
    }

    /** Names of the modules in the kernel. */
    List<String> loaded() throws IOException {
        return Files.readAllLines(root.resolve("proc/modules")).stream()
                .map(line -> line.substring(0, line.indexOf(' ')))
                .sorted()
                .toList();
    }
}
