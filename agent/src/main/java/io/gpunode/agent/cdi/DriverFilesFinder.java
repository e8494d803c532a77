package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.DriverFiles.Mount;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Finds the files of one driver version under a driver root by listing directories. The rule for libraries is the file name: every
 * {@code lib*.so.<version>} belongs to the driver. No state; any thread.
 *
 * <p>NVIDIA's toolkit makes the other names of a library (its SONAME, its {@code .so} link) inside the container with hook processes and
 * {@code ldconfig}. Here each of those names is a mount of the same file, in a directory that the loaders of Debian-like and Red Hat-like
 * images search even when their cache is stale, so a container start runs no process of ours.
 */
final class DriverFilesFinder {
    private static final String DEBIAN_X86 = "/usr/lib/x86_64-linux-gnu";
    private static final String DEBIAN_ARM = "/usr/lib/aarch64-linux-gnu";
    private static final String RED_HAT = "/usr/lib64";

    /** Where drivers put their libraries, in NVIDIA's own search order; {@code nvidia/current} is Debian's. */
    private static final List<String> LIBRARY_DIRECTORIES = List.of(
            RED_HAT,
            DEBIAN_X86,
            DEBIAN_X86 + "/nvidia/current",
            DEBIAN_ARM,
            DEBIAN_ARM + "/nvidia/current",
            "/lib64",
            "/lib/x86_64-linux-gnu",
            "/lib/aarch64-linux-gnu");

    private static final List<String> BINARY_DIRECTORIES =
            List.of("/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin");

    private static final List<String> BINARIES = List.of(
            "nvidia-smi",
            "nvidia-debugdump",
            "nvidia-persistenced",
            "nvidia-cuda-mps-control",
            "nvidia-cuda-mps-server",
            "nvidia-imex",
            "nvidia-imex-ctl");

    /**
     * Names that programs open and that are not links in every installation: the stem of the versioned file → names. Source: the SONAMEs of
     * the driver's libraries, and the links that NVIDIA's toolkit forces.
     */
    private static final Map<String, List<String>> NAMES_BY_STEM = Map.ofEntries(
            Map.entry("libcuda", List.of("libcuda.so.1", "libcuda.so")),
            Map.entry("libcudadebugger", List.of("libcudadebugger.so.1")),
            Map.entry("libnvidia-ml", List.of("libnvidia-ml.so.1")),
            Map.entry("libnvidia-cfg", List.of("libnvidia-cfg.so.1")),
            Map.entry("libnvidia-ptxjitcompiler", List.of("libnvidia-ptxjitcompiler.so.1")),
            Map.entry("libnvidia-nvvm", List.of("libnvidia-nvvm.so.4")),
            Map.entry("libnvidia-opencl", List.of("libnvidia-opencl.so.1")),
            Map.entry("libnvidia-allocator", List.of("libnvidia-allocator.so.1")),
            Map.entry("libnvidia-sandboxutils", List.of("libnvidia-sandboxutils.so.1")),
            Map.entry("libnvcuvid", List.of("libnvcuvid.so.1", "libnvcuvid.so")),
            Map.entry("libnvidia-encode", List.of("libnvidia-encode.so.1", "libnvidia-encode.so")),
            Map.entry("libnvidia-opticalflow", List.of("libnvidia-opticalflow.so.1", "libnvidia-opticalflow.so")),
            Map.entry("libvdpau_nvidia", List.of("libvdpau_nvidia.so.1")),
            Map.entry("libEGL_nvidia", List.of("libEGL_nvidia.so.0")),
            Map.entry("libGLX_nvidia", List.of("libGLX_nvidia.so.0", "libGLX_indirect.so.0")),
            Map.entry("libGLESv1_CM_nvidia", List.of("libGLESv1_CM_nvidia.so.1")),
            Map.entry("libGLESv2_nvidia", List.of("libGLESv2_nvidia.so.2")),
            Map.entry("libnvidia-fbc", List.of("libnvidia-fbc.so.1")),
            Map.entry("libnvoptix", List.of("libnvoptix.so.1")),
            Map.entry("libnvidia-vksc-core", List.of("libnvidia-vksc-core.so.1")),
            Map.entry("libnvidia-ngx", List.of("libnvidia-ngx.so.1")));

    /** Libraries that come with the driver and have versions of their own. */
    private static final Pattern OWN_VERSION =
            Pattern.compile("libnvidia-egl-(gbm|wayland2?|xcb|xlib)\\.so\\.\\d+\\.\\d[\\d.]*");

    private static final List<String> SHARED_DIRECTORIES = List.of("/etc", "/usr/local/share", "/usr/share");

    /** Files found by name in the shared directories → where the container gets them. */
    private static final List<String[]> SHARED_FILES = List.of(
            new String[] {"glvnd/egl_vendor.d/10_nvidia.json", "/usr/share"},
            new String[] {"egl/egl_external_platform.d/15_nvidia_gbm.json", "/usr/share"},
            new String[] {"egl/egl_external_platform.d/10_nvidia_wayland.json", "/usr/share"},
            new String[] {"egl/egl_external_platform.d/20_nvidia_xcb.json", "/usr/share"},
            new String[] {"egl/egl_external_platform.d/20_nvidia_xlib.json", "/usr/share"},
            new String[] {"nvidia/nvoptix.bin", "/usr/share"},
            new String[] {"vulkan/icd.d/nvidia_icd.json", "/etc"},
            new String[] {"vulkan/icd.d/nvidia_icd.x86_64.json", "/etc"},
            new String[] {"vulkan/icd.d/nvidia_icd.aarch64.json", "/etc"},
            new String[] {"vulkan/implicit_layer.d/nvidia_layers.json", "/etc"},
            new String[] {"OpenCL/vendors/nvidia.icd", "/etc"});

    private static final List<String> FIRMWARE_DIRECTORIES = List.of("/lib/firmware/updates", "/lib/firmware");

    private static final List<String> SOCKETS = List.of("nvidia-persistenced/socket", "nvidia-fabricmanager/socket");

    private final HostFiles files;
    private final Path driverRoot;

    DriverFilesFinder(HostFiles files, Path driverRoot) {
        this.files = files;
        this.driverRoot = driverRoot;
    }

    /**
     * Lists what is installed.
     *
     * @param version the driver's version, for example {@code 580.65.06}
     * @throws IOException when a directory exists and cannot be read
     */
    DriverFiles find(String version) throws IOException {
        Map<Path, Path> mounts = new TreeMap<>();
        List<Path> libraryDirectories = new ArrayList<>();
        List<String> problems = new ArrayList<>();
        Set<Path> seen = new HashSet<>();
        for (String directory : LIBRARY_DIRECTORIES) {
            Path container = Path.of(directory);
            Optional<Path> real = files.realPath(host(container));
            // On merged-usr systems /lib64 is /usr/lib64: the same files must not be mounted a second time.
            if (real.isPresent() && seen.add(real.get()) && libraries(container, version, mounts)) {
                libraryDirectories.add(container);
            }
        }
        if (mounts.keySet().stream().noneMatch(path -> path.endsWith("libcuda.so." + version))) {
            problems.add("there is no libcuda.so." + version + ", the library of the loaded driver, under " + driverRoot
                    + ": finish the driver's upgrade, or set flags.nvidiaDriverRoot to where it is installed");
        }
        for (String binary : BINARIES) {
            for (String directory : BINARY_DIRECTORIES) {
                Path container = Path.of(directory, binary);
                if (files.exists(host(container))) {
                    mounts.putIfAbsent(Path.of("/usr/bin", binary), host(container));
                    break;
                }
            }
        }
        for (String directory : FIRMWARE_DIRECTORIES) {
            Path firmware = Path.of(directory, "nvidia", version);
            for (String name : files.list(host(firmware))) {
                if (name.startsWith("gsp") && name.endsWith(".bin")) {
                    mounts.putIfAbsent(Path.of("/lib/firmware/nvidia", version, name), host(firmware.resolve(name)));
                }
            }
        }
        for (String[] shared : SHARED_FILES) {
            for (String directory : SHARED_DIRECTORIES) {
                Path source = Path.of(directory, shared[0]);
                if (files.exists(host(source))) {
                    mounts.putIfAbsent(Path.of(shared[1], shared[0]), host(source));
                    break;
                }
            }
        }
        return new DriverFiles(asMounts(mounts), sockets(), libraryDirectories, problems);
    }

    /**
     * Takes in a directory's libraries. Any library of the version counts: distributions spread them over several directories.
     *
     * @return whether there was one
     */
    private boolean libraries(Path directory, String version, Map<Path, Path> mounts) throws IOException {
        List<String> names = files.list(host(directory));
        String suffix = ".so." + version;
        Map<String, List<String>> numbered = numberedNames(names, version);
        boolean found = false;
        for (String name : names) {
            if (name.startsWith("lib") && name.endsWith(suffix)) {
                found = true;
                String stem = name.substring(0, name.length() - suffix.length());
                Set<String> links = new LinkedHashSet<>(NAMES_BY_STEM.getOrDefault(stem, List.of()));
                links.addAll(numbered.getOrDefault(stem, List.of()));
                library(directory, name, links, mounts);
            } else if (name.startsWith("libnvidia-nvvm70.so.")) {
                library(directory, name, Set.of(), mounts);
            } else if (OWN_VERSION.matcher(name).matches()) {
                library(directory, name, Set.of(name.substring(0, name.indexOf(".so.")) + ".so.1"), mounts);
            }
        }
        if (!found) {
            return false;
        }
        Path vdpau = directory.resolve("vdpau");
        for (String name : files.list(host(vdpau))) {
            if (name.endsWith(suffix)) {
                mounts.putIfAbsent(vdpau.resolve(name), host(vdpau.resolve(name)));
                mounts.putIfAbsent(vdpau.resolve("libvdpau_nvidia.so.1"), host(vdpau.resolve(name)));
            }
        }
        // The GBM backend is the allocator under another name.
        Path backend = directory.resolve("gbm/nvidia-drm_gbm.so");
        if (files.exists(host(backend))) {
            mounts.putIfAbsent(backend, host(backend));
        }
        return true;
    }

    /**
     * Mounts a library at its own place, and under the names that are looked for in the folders that the loaders of both families of images
     * search: a name in a folder of the driver's own would need a loader cache that nobody writes.
     */
    private void library(Path directory, String file, Set<String> names, Map<Path, Path> mounts) {
        Path source = host(directory.resolve(file));
        mounts.putIfAbsent(directory.resolve(file), source);
        boolean arm = directory.startsWith(DEBIAN_ARM)
                || (!directory.startsWith(DEBIAN_X86) && "aarch64".equals(System.getProperty("os.arch")));
        for (Path folder : List.of(Path.of(arm ? DEBIAN_ARM : DEBIAN_X86), Path.of(RED_HAT))) {
            for (String name : names.isEmpty() ? Set.of(file) : names) {
                mounts.putIfAbsent(folder.resolve(name), source);
            }
        }
    }

    /** {@code libx.so} and {@code libx.so.1} beside {@code libx.so.<version>} are links to it: stem → those names. */
    private static Map<String, List<String>> numberedNames(List<String> names, String version) {
        Map<String, List<String>> result = new HashMap<>();
        for (String name : names) {
            int so = name.indexOf(".so");
            if (so <= 0 || name.endsWith(".so." + version)) {
                continue;
            }
            String rest = name.substring(so + 3);
            if (rest.isEmpty() || rest.matches("\\.\\d{1,3}")) {
                result.computeIfAbsent(name.substring(0, so), _ -> new ArrayList<>())
                        .add(name);
            }
        }
        return result;
    }

    private List<Mount> sockets() {
        List<Mount> result = new ArrayList<>();
        for (String socket : SOCKETS) {
            Path path = Path.of("/run", socket);
            if (files.exists(host(path))) {
                result.add(new Mount(host(path), path));
            } else if (!driverRoot.equals(Path.of("/")) && files.exists(path)) {
                result.add(new Mount(path, path));
            }
        }
        return result;
    }

    private static List<Mount> asMounts(Map<Path, Path> byContainerPath) {
        List<Mount> result = new ArrayList<>(byContainerPath.size());
        byContainerPath.forEach((container, host) -> result.add(new Mount(host, container)));
        return result;
    }

    /** A path of the driver installation as the host sees it. */
    private Path host(Path path) {
        return driverRoot.resolve(path.toString().substring(1));
    }
}
