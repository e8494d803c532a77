package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.Mount;
import io.gpunode.agent.cdi.DriverFiles.Library;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Finds the files of one driver version under a driver root. Libraries are known by their file name: every {@code lib*.so.<version>}, in every
 * directory that holds one, belongs to the driver; directories come from the fixed places, from the loader's cache and from the settings. For
 * one search, by one thread.
 */
final class DriverFilesFinder {
    /** NVIDIA's name of the switch that adds the vendor-neutral libraries of GL and OpenCL. */
    static final String EXPLICIT_LIBRARIES = "enable-explicit-driver-libraries";
    /** NVIDIA's name of the switch that leaves sockets out, for runtimes that cannot take them (gVisor). */
    static final String NO_SOCKETS = "disable-ipc-discoverer";

    private static final Log LOG = Log.of(DriverFilesFinder.class);
    private static final boolean ARM64 = "aarch64".equals(System.getProperty("os.arch"));
    /** The folder of libraries of this architecture in Debian-like images. */
    static final Path DEBIAN = Path.of(ARM64 ? "/usr/lib/aarch64-linux-gnu" : "/usr/lib/x86_64-linux-gnu");
    /** The folder of libraries in Red Hat-like images. */
    static final Path RED_HAT = Path.of("/usr/lib64");

    private static final Path LOADER_CACHE = Path.of("/etc/ld.so.cache");
    private static final int LOADER_CACHE_LIMIT = 2 << 20;

    /** Where drivers put their libraries, in NVIDIA's own search order; {@code nvidia/current} is Debian's. */
    private static final List<Path> LIBRARY_DIRECTORIES = List.of(
            RED_HAT,
            DEBIAN,
            RED_HAT.resolve("nvidia/current"),
            DEBIAN.resolve("nvidia/current"),
            Path.of("/lib64"),
            Path.of("/lib").resolve(DEBIAN.getFileName()),
            Path.of("/usr/lib"));

    private static final List<String> PROGRAM_DIRECTORIES =
            List.of("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin");

    private static final List<String> PROGRAMS = List.of(
            "nvidia-smi",
            "nvidia-debugdump",
            "nvidia-persistenced",
            "nvidia-cuda-mps-control",
            "nvidia-cuda-mps-server",
            "nvidia-imex",
            "nvidia-imex-ctl",
            "nvidia-xconfig");

    /** Names that programs open although not every installation has such a link: the part before {@code .so.<version>} → names. */
    private static final Map<String, Set<String>> FORCED_NAMES = Map.of(
            "libcuda", Set.of("libcuda.so"),
            "libnvidia-opticalflow", Set.of("libnvidia-opticalflow.so"),
            "libGLX_nvidia", Set.of("libGLX_indirect.so.0"));

    /** Libraries that come with the driver and have versions of their own, or none. */
    private static final Pattern OWN_VERSION = Pattern.compile(
            "libnvidia-egl-(gbm|wayland2?|xcb|xlib)\\.so\\.\\d+\\.\\d[\\d.]*|libnvidia-nvvm70\\.so\\.\\d[\\d.]*|libnvidia-api\\.so\\.1");

    private static final Pattern VENDOR_NEUTRAL =
            Pattern.compile("lib(EGL|GL|GLESv1_CM|GLESv2|GLX|GLdispatch|OpenCL|OpenGL)\\.so(\\.\\d+)?");

    private static final Pattern SONAME_LINK = Pattern.compile("(\\.\\d{1,3})?");
    private static final Pattern VERSION = Pattern.compile("\\d+\\.\\d+(\\.\\d+)?");

    private static final List<String> XORG_DIRECTORIES = List.of(
            "nvidia/xorg",
            "xorg/modules/drivers",
            "xorg/modules/extensions",
            "xorg/modules/updates/drivers",
            "xorg/modules/updates/extensions");

    private static final List<String> SHARED_DIRECTORIES = List.of("/etc", "/usr/local/share", "/usr/share");

    /** Files found by name in the shared directories → where containers look for them. */
    private static final Map<String, String> SHARED_FILES = sharedFiles();

    private static final Path FIRMWARE_PARAMETER = Path.of("/sys/module/firmware_class/parameters/path");
    private static final Path KERNEL_RELEASE = Path.of("/proc/sys/kernel/osrelease");
    private static final int ONE_LINE = 4_096;

    /** Nothing below {@code /tmp}: what lies there is any local user's word. */
    private static final List<String> SOCKETS = List.of("nvidia-persistenced/socket", "nvidia-fabricmanager/socket");

    private final HostFiles host;
    private final HostFiles driver;
    private final Path driverRoot;
    private final List<Path> moreLibraryDirectories;
    private final Set<String> featureFlags;
    private final LinkedHashSet<String> unreadable = new LinkedHashSet<>();
    /** Whether a directory is there, by its path below the driver root: most of the many names that are asked for lie in one that is not. */
    private final Map<Path, Boolean> directoriesSeen = new HashMap<>();

    /**
     * @param driverRoot the driver installation as the host sees it
     * @param moreLibraryDirectories where libraries are looked for, too; below the driver root
     * @param featureFlags NVIDIA's names of what is wanted beyond the usual, or not wanted
     */
    DriverFilesFinder(HostFiles files, Path driverRoot, List<Path> moreLibraryDirectories, Set<String> featureFlags) {
        this.host = files;
        this.driver = files.below(driverRoot);
        this.driverRoot = driverRoot;
        this.moreLibraryDirectories = List.copyOf(moreLibraryDirectories);
        this.featureFlags = Set.copyOf(featureFlags);
    }

    /**
     * Lists what is installed.
     *
     * @param version the driver's version as NVML says it, for example {@code 580.65.06}
     * @throws IOException when a library exists and cannot be read
     */
    DriverFiles find(String version) throws IOException {
        Map<Path, Library> libraries = new TreeMap<>();
        Map<Path, Path> files = new TreeMap<>();
        List<Path> libraryDirectories = new ArrayList<>();
        Set<String> otherVersions = new TreeSet<>();
        for (Map.Entry<Path, List<String>> directory : directories(version).entrySet()) {
            List<String> names = directory.getValue();
            if (libraries(directory.getKey(), names, version, libraries)) {
                libraryDirectories.add(directory.getKey());
                beside(directory.getKey(), version, libraries, files);
            }
            otherVersions(directory.getKey(), names, version, otherVersions);
        }
        if (libraries.keySet().stream().noneMatch(path -> path.endsWith("libcuda.so." + version))) {
            unreadable.addFirst(withoutLibcuda(version, otherVersions));
            return new DriverFiles(
                    List.of(), List.of(), List.of(), List.of(), List.of(), String.join("; ", unreadable));
        }
        programs(files);
        firmware(version, files);
        sharedFiles(files);
        return new DriverFiles(
                List.copyOf(libraries.values()),
                asMounts(files),
                sockets(),
                libraryDirectories,
                List.copyOf(unreadable),
                "");
    }

    private String withoutLibcuda(String version, Set<String> otherVersions) {
        return otherVersions.isEmpty()
                ? "there is no libcuda.so." + version + ", the library of the loaded driver, under " + driverRoot
                        + ": set flags.nvidiaDriverRoot to where the driver is installed, or cdi.librarySearchPaths to where its libraries lie"
                : "the loaded driver is " + version + " but the libraries under " + driverRoot + " are of "
                        + String.join(", ", otherVersions)
                        + ": finish the driver's upgrade (restart the node, or unload and load the nvidia modules)";
    }

    /** Directories that may hold libraries, with what is in them; each real directory once, by its real name. */
    private Map<Path, List<String>> directories(String version) throws IOException {
        Set<Path> candidates = new LinkedHashSet<>(moreLibraryDirectories);
        candidates.addAll(LIBRARY_DIRECTORIES);
        String suffix = ".so." + version;
        for (LoaderCache.Entry entry : loaderCache().entries()) {
            String name = entry.name();
            if (name.startsWith("libcuda.so")
                    || name.startsWith("libnvidia-ml.so")
                    || name.startsWith("libGLX_nvidia.so")
                    || name.endsWith(suffix)) {
                Path file = Path.of(entry.path());
                if (file.isAbsolute() && file.getParent() != null) {
                    candidates.add(file.normalize().getParent());
                }
            }
        }
        Map<Path, List<String>> directories = new LinkedHashMap<>();
        for (Path candidate : candidates) {
            Optional<Path> real = driver.realPath(candidate);
            if (real.isPresent() && !directories.containsKey(real.get())) {
                directories.put(real.get(), list(driver, real.get(), onHost(real.get())));
            }
        }
        return directories;
    }

    /** One place that cannot be looked at does not cost a node what is in the others. */
    private List<String> list(HostFiles files, Path directory, Path onHost) {
        try {
            return files.list(directory);
        } catch (IOException e) {
            unreadable.add("files of the driver may be missing: " + onHost + " cannot be read: " + e);
            return List.of();
        }
    }

    private LoaderCache loaderCache() {
        if (driver.realPath(LOADER_CACHE).isEmpty()) {
            return LoaderCache.EMPTY;
        }
        try (SeekableByteChannel file = driver.open(LOADER_CACHE)) {
            long size = file.size();
            if (size > LOADER_CACHE_LIMIT) {
                throw new IOException("it has " + size + " bytes, more than " + LOADER_CACHE_LIMIT);
            }
            ByteBuffer bytes = ByteBuffer.allocate((int) size);
            while (bytes.hasRemaining() && file.read(bytes) >= 0) {}
            return LoaderCache.parse(bytes.array(), ARM64 ? LoaderCache.ARM64 : LoaderCache.X86_64);
        } catch (IOException | InvalidPathException e) {
            // The usual directories are looked at all the same.
            LOG.debug("the loader's cache cannot be read", "path", onHost(LOADER_CACHE), "error", e);
            return LoaderCache.EMPTY;
        }
    }

    /**
     * Takes in a directory's libraries. Any library of the version counts: distributions spread them over several directories.
     *
     * @return whether there was one
     */
    private boolean libraries(Path directory, List<String> names, String version, Map<Path, Library> libraries)
            throws IOException {
        String suffix = ".so." + version;
        Map<String, List<String>> links = new HashMap<>();
        List<String> found = new ArrayList<>();
        boolean versioned = false;
        boolean explicit = featureFlags.contains(EXPLICIT_LIBRARIES);
        for (String name : names) {
            int so = name.startsWith("lib") ? name.indexOf(".so") : -1;
            if (so < 0) {
                continue;
            }
            if (name.endsWith(suffix) && so == name.length() - suffix.length()) {
                versioned = true;
                found.add(name);
            } else if (OWN_VERSION.matcher(name).matches()
                    || (explicit && VENDOR_NEUTRAL.matcher(name).matches())) {
                found.add(name);
            } else if (SONAME_LINK.matcher(name.substring(so + 3)).matches()) {
                links.computeIfAbsent(name.substring(0, so), _ -> new ArrayList<>())
                        .add(name);
            }
        }
        for (String name : found) {
            String stem = name.substring(0, name.indexOf(".so"));
            Set<String> forced = name.endsWith(suffix) ? FORCED_NAMES.getOrDefault(stem, Set.of()) : Set.of();
            library(directory, name, "", forced, links.getOrDefault(stem, List.of()), libraries);
        }
        return versioned;
    }

    /** What lies below a directory of the driver's libraries. */
    private void beside(Path directory, String version, Map<Path, Library> libraries, Map<Path, Path> files)
            throws IOException {
        Path vdpau = directory.resolve("vdpau");
        for (String name : list(driver, vdpau, onHost(vdpau))) {
            if (name.endsWith(".so." + version)) {
                library(vdpau, name, "vdpau", Set.of(), List.of(), libraries);
            }
        }
        // The GBM backend is the allocator under another name.
        Path backend = directory.resolve("gbm/nvidia-drm_gbm.so");
        driver.realPath(backend)
                .ifPresent(real ->
                        libraries.put(backend, new Library(onHost(real), backend, "gbm", Set.of("nvidia-drm_gbm.so"))));
        List<Path> xorg = new ArrayList<>();
        for (String folder : XORG_DIRECTORIES) {
            xorg.add(directory.resolve(folder));
            xorg.add(Path.of("/usr/lib").resolve(folder));
        }
        String glx = "libglxserver_nvidia.so." + version;
        for (Path folder : xorg) {
            mount(folder.resolve("nvidia_drv.so"), folder.resolve("nvidia_drv.so"), files);
            mount(folder.resolve(glx), folder.resolve(glx), files);
            mount(folder.resolve(glx), folder.resolve("libglxserver_nvidia.so"), files);
        }
    }

    private void library(
            Path directory,
            String name,
            String folder,
            Set<String> forced,
            List<String> links,
            Map<Path, Library> libraries)
            throws IOException {
        Path place = directory.resolve(name);
        Optional<Path> real = driver.realPath(place);
        if (real.isEmpty()) {
            return;
        }
        Set<String> names = new LinkedHashSet<>(forced);
        try (SeekableByteChannel file = driver.open(real.get())) {
            SharedObject object = SharedObject.read(file);
            if (object.foreign()) {
                return;
            }
            object.soname().ifPresent(names::add);
        }
        for (String link : links) {
            if (driver.realPath(directory.resolve(link)).equals(real)) {
                names.add(link);
            }
        }
        if (names.isEmpty()) {
            names.add(name);
        }
        libraries.putIfAbsent(place, new Library(onHost(real.get()), place, folder, names));
    }

    private static void otherVersions(Path directory, List<String> names, String version, Set<String> versions) {
        for (String name : names) {
            if (name.startsWith("libcuda.so.")) {
                String other = name.substring("libcuda.so.".length());
                if (VERSION.matcher(other).matches() && !other.equals(version)) {
                    versions.add(other + " (" + directory + ")");
                }
            }
        }
    }

    private void programs(Map<Path, Path> files) {
        for (String program : PROGRAMS) {
            for (String directory : PROGRAM_DIRECTORIES) {
                if (mount(Path.of(directory, program), Path.of("/usr/bin", program), files)) {
                    break;
                }
            }
        }
    }

    /** In the order in which the kernel looks: a path of the administrator's, updates, what the kernel came with. */
    private void firmware(String version, Map<Path, Path> files) throws IOException {
        Path place = Path.of("/lib/firmware/nvidia", version);
        String configured =
                host.readText(FIRMWARE_PARAMETER, ONE_LINE).orElse("").strip();
        if (configured.startsWith("/")) {
            Path directory = Path.of(configured).resolve("nvidia").resolve(version);
            for (String name : list(host, directory, directory)) {
                Optional<Path> real = host.realPath(directory.resolve(name));
                if (isFirmware(name) && real.isPresent()) {
                    files.putIfAbsent(place.resolve(name), real.get());
                }
            }
        }
        String release = host.readText(KERNEL_RELEASE, ONE_LINE).orElse("").strip();
        List<Path> directories = new ArrayList<>();
        for (Path base : List.of(Path.of("/lib/firmware/updates"), Path.of("/lib/firmware"))) {
            if (!release.isEmpty() && release.indexOf('/') < 0) {
                directories.add(base.resolve(release));
            }
            directories.add(base);
        }
        for (Path base : directories) {
            Path directory = base.resolve("nvidia").resolve(version);
            for (String name : list(driver, directory, onHost(directory))) {
                if (isFirmware(name)) {
                    mount(directory.resolve(name), place.resolve(name), files);
                }
            }
        }
    }

    private static boolean isFirmware(String name) {
        return name.startsWith("gsp") && name.endsWith(".bin");
    }

    private void sharedFiles(Map<Path, Path> files) {
        SHARED_FILES.forEach((name, place) -> {
            for (String directory : SHARED_DIRECTORIES) {
                if (mount(Path.of(directory, name), Path.of(place, name), files)) {
                    return;
                }
            }
            // Some driver roots have the Vulkan files at their top.
            if (name.startsWith("vulkan/")) {
                mount(Path.of("/", name), Path.of(place, name), files);
            }
        });
    }

    private static Map<String, String> sharedFiles() {
        Map<String, String> files = new LinkedHashMap<>();
        for (String name : List.of(
                "glvnd/egl_vendor.d/10_nvidia.json",
                "egl/egl_external_platform.d/15_nvidia_gbm.json",
                "egl/egl_external_platform.d/10_nvidia_wayland.json",
                "egl/egl_external_platform.d/09_nvidia_wayland2.json",
                "egl/egl_external_platform.d/20_nvidia_xcb.json",
                "egl/egl_external_platform.d/20_nvidia_xlib.json",
                "nvidia/nvoptix.bin",
                "X11/xorg.conf.d/10-nvidia.conf",
                "X11/xorg.conf.d/nvidia-drm-outputclass.conf")) {
            files.put(name, "/usr/share");
        }
        for (String name : List.of(
                "vulkan/icd.d/nvidia_icd.json",
                "vulkan/icd.d/nvidia_icd.x86_64.json",
                "vulkan/icd.d/nvidia_icd.aarch64.json",
                "vulkan/icd.d/nvidia_layers.json",
                "vulkan/implicit_layer.d/nvidia_layers.json",
                "OpenCL/vendors/nvidia.icd")) {
            files.put(name, "/etc");
        }
        return files;
    }

    /** Mounts a file of the driver root if it is there. */
    private boolean mount(Path file, Path place, Map<Path, Path> files) {
        if (!hasDirectory(file.getParent())) {
            return false;
        }
        Optional<Path> real = driver.realPath(file);
        real.ifPresent(path -> files.putIfAbsent(place, onHost(path)));
        return real.isPresent();
    }

    private boolean hasDirectory(@Nullable Path directory) {
        if (directory == null) {
            return true;
        }
        Boolean known = directoriesSeen.get(directory);
        if (known == null) {
            known = hasDirectory(directory.getParent()) && driver.exists(directory);
            directoriesSeen.put(directory, known);
        }
        return known;
    }

    private List<Mount> sockets() {
        List<Mount> sockets = new ArrayList<>();
        if (featureFlags.contains(NO_SOCKETS)) {
            return sockets;
        }
        for (String socket : SOCKETS) {
            Path path = Path.of("/run", socket);
            if (driver.exists(path)) {
                sockets.add(new Mount(onHost(path), path, ContainerEdits.SOCKET));
            } else if (host.exists(path)) {
                sockets.add(new Mount(path, path, ContainerEdits.SOCKET));
            }
        }
        return sockets;
    }

    private static List<Mount> asMounts(Map<Path, Path> byContainerPath) {
        List<Mount> mounts = new ArrayList<>(byContainerPath.size());
        byContainerPath.forEach((place, host) -> mounts.add(new Mount(host, place, ContainerEdits.READ_ONLY)));
        return mounts;
    }

    /** A path of the driver installation as the host sees it. */
    private Path onHost(Path path) {
        return driverRoot.resolve(path.toString().substring(1));
    }
}
