package io.gpunode.agent.driver;

import io.gpunode.agent.model.DriverVersion;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * {@code .manifest} of NVIDIA's driver, which says for each file of the archive what kind of file it is; from this follows where it belongs
 * (nvidia-installer, {@code parse_manifest} and {@code set_destinations}). Line 1 is a description, line 2 the version, line 4 the kernel modules; files come
 * from line 9 on: {@code FILE MODE TYPE [NATIVE|COMPAT32] [PATH|INHERIT_PATH_DEPTH:n] [TARGET] MODULE:…}.
 *
 * @param version the driver's
 * @param places where files go: from their path in the archive to one below the driver's root
 * @param links symbolic links to make: from a path below the driver's root to what it says
 * @param leftOut how many files are not wanted on a node without a display, by type
 * @param unknown types that this agent does not know, with how many files they have: newer than it is
 */
record RunfileManifest(
        DriverVersion version,
        Map<String, String> places,
        Map<String, String> links,
        Map<String, Integer> leftOut,
        Map<String, Integer> unknown) {
    /** Its name in the archive. */
    static final String NAME = ".manifest";

    /** The real ones have less than 200 kB. */
    static final int LIMIT = 4 << 20;

    private static final int FIRST_ENTRY = 8;
    private static final String DEPTH = "INHERIT_PATH_DEPTH:";

    /** The words that follow a type. */
    private record Kind(Place place, boolean arch, boolean path, boolean link) {}

    /** Where files of a type go. */
    private enum Place {
        LIBRARIES,
        LIBRARIES_PATH,
        GBM,
        BIN,
        FIRMWARE,
        SOURCES,
        EXPLICIT,
        PROFILES,
        OPENCL,
        VULKAN,
        VULKAN_SC,
        EGL_VENDOR,
        EGL_PLATFORM,
        UNIT,
        FILE_LISTS,
        WINE,
        NOWHERE
    }

    private static final Map<String, Kind> KINDS = kinds();

    private static Map<String, Kind> kinds() {
        Map<String, Kind> kinds = new TreeMap<>();
        for (String type : List.of(
                "OPENGL_LIB",
                "GLVND_LIB",
                "GLX_CLIENT_LIB",
                "EGL_CLIENT_LIB",
                "UTILITY_LIB",
                "NVCUVID_LIB",
                "ENCODEAPI_LIB",
                "NVIFR_LIB")) {
            kinds.put(type, new Kind(Place.LIBRARIES, true, false, false));
        }
        for (String type : List.of(
                "OPENGL_SYMLINK",
                "GLVND_SYMLINK",
                "GLX_CLIENT_SYMLINK",
                "EGL_CLIENT_SYMLINK",
                "UTILITY_LIB_SYMLINK",
                "NVCUVID_LIB_SYMLINK",
                "ENCODEAPI_LIB_SYMLINK",
                "NVIFR_LIB_SYMLINK")) {
            kinds.put(type, new Kind(Place.LIBRARIES, true, false, true));
        }
        for (String type : List.of("CUDA_LIB", "OPENCL_LIB", "OPENCL_WRAPPER_LIB", "VDPAU_LIB", "TLS_LIB")) {
            kinds.put(type, new Kind(Place.LIBRARIES_PATH, true, true, false));
        }
        for (String type : List.of("CUDA_SYMLINK", "OPENCL_LIB_SYMLINK", "OPENCL_WRAPPER_SYMLINK", "VDPAU_SYMLINK")) {
            kinds.put(type, new Kind(Place.LIBRARIES_PATH, true, true, true));
        }
        kinds.put("VGX_LIB", new Kind(Place.LIBRARIES, false, false, false));
        kinds.put("VGX_LIB_SYMLINK", new Kind(Place.LIBRARIES, false, false, true));
        kinds.put("GRID_LIB", new Kind(Place.LIBRARIES_PATH, false, true, false));
        kinds.put("GRID_LIB_SYMLINK", new Kind(Place.LIBRARIES_PATH, false, true, true));
        kinds.put("FLEXERA_LIB", new Kind(Place.LIBRARIES_PATH, false, true, false));
        kinds.put("FLEXERA_LIB_SYMLINK", new Kind(Place.LIBRARIES_PATH, false, true, true));
        kinds.put("GBM_BACKEND_LIB", new Kind(Place.GBM, true, false, false));
        kinds.put("GBM_BACKEND_LIB_SYMLINK", new Kind(Place.GBM, true, false, true));
        kinds.put("UTILITY_BINARY", new Kind(Place.BIN, false, false, false));
        kinds.put("FIRMWARE", new Kind(Place.FIRMWARE, false, false, false));
        kinds.put("KERNEL_MODULE_SRC", new Kind(Place.SOURCES, false, false, false));
        kinds.put("DKMS_CONF", new Kind(Place.SOURCES, false, false, false));
        kinds.put("NVIDIA_MODPROBE", new Kind(Place.EXPLICIT, false, true, false));
        kinds.put("EXPLICIT_PATH", new Kind(Place.EXPLICIT, false, true, false));
        kinds.put("OPENGL_DATA", new Kind(Place.EXPLICIT, false, true, false));
        kinds.put("APPLICATION_PROFILE", new Kind(Place.PROFILES, false, true, false));
        kinds.put("CUDA_ICD", new Kind(Place.OPENCL, false, false, false));
        kinds.put("VULKAN_ICD_JSON", new Kind(Place.VULKAN, false, true, false));
        kinds.put("VULKANSC_ICD_JSON", new Kind(Place.VULKAN_SC, false, true, false));
        kinds.put("GLVND_EGL_ICD_JSON", new Kind(Place.EGL_VENDOR, false, false, false));
        kinds.put("EGL_EXTERNAL_PLATFORM_JSON", new Kind(Place.EGL_PLATFORM, false, false, false));
        kinds.put("SYSTEMD_UNIT", new Kind(Place.UNIT, false, false, false));
        kinds.put("SANDBOXUTILS_FILELIST_JSON", new Kind(Place.FILE_LISTS, false, true, false));
        kinds.put("WINE_LIB", new Kind(Place.WINE, true, false, false));
        for (String type : List.of(
                "KERNEL_MODULE",
                "DOCUMENTATION",
                "MANPAGE",
                "NVIDIA_MODPROBE_MANPAGE",
                "INSTALLER_BINARY",
                "UTILITY_BIN_SYMLINK",
                "DOT_DESKTOP",
                "ICON",
                "XMODULE_SHARED_LIB",
                "XMODULE_SYMLINK",
                "XMODULE_NEWSYM",
                "GLX_MODULE_SHARED_LIB",
                "GLX_MODULE_SYMLINK",
                "XORG_OUTPUTCLASS_CONFIG",
                "MODULE_SIGNING_KEY",
                "INTERNAL_UTILITY_BINARY",
                "INTERNAL_UTILITY_LIB",
                "INTERNAL_UTILITY_DATA",
                "SYSTEMD_UNIT_SYMLINK",
                "SYSTEMD_SLEEP_SCRIPT",
                "OPENGL_HEADER",
                "LIBGL_LA")) {
            kinds.put(type, new Kind(Place.NOWHERE, false, false, false));
        }
        return kinds;
    }

    /**
     * Reads it.
     *
     * @param machine whose libraries they are: {@code x86_64} or {@code aarch64}
     */
    static RunfileManifest parse(String text, String machine) throws DamagedArchiveException {
        if (text.length() > LIMIT) {
            throw new DamagedArchiveException("its " + NAME + " is longer than " + LIMIT + " characters");
        }
        String[] lines = text.split("\n", -1);
        if (lines.length <= FIRST_ENTRY) {
            throw new DamagedArchiveException("its " + NAME + " has " + lines.length + " lines and no files");
        }
        DriverVersion version = DriverVersion.parse(lines[1].strip())
                .orElseThrow(() -> new DamagedArchiveException("line 2 of its " + NAME + " is no driver version"));
        Reading reading = new Reading(version, machine);
        for (int i = FIRST_ENTRY; i < lines.length && !lines[i].isBlank(); i++) {
            reading.line(i + 1, lines[i].strip().split("[ \t]+", -1));
        }
        return reading.done();
    }

    /** One reading. */
    private static final class Reading {
        private final DriverVersion version;
        private final String libraries;
        private final String compatLibraries;
        private final Map<String, String> places = new TreeMap<>();
        private final Map<String, String> links = new TreeMap<>();
        private final Map<String, Integer> leftOut = new TreeMap<>();
        private final Map<String, Integer> unknown = new TreeMap<>();

        Reading(DriverVersion version, String machine) {
            this.version = version;
            boolean arm = machine.equals("aarch64");
            this.libraries = arm ? "usr/lib/aarch64-linux-gnu" : "usr/lib/x86_64-linux-gnu";
            this.compatLibraries = arm ? "usr/lib/arm-linux-gnueabihf" : "usr/lib/i386-linux-gnu";
        }

        void line(int number, String[] words) throws DamagedArchiveException {
            if (words.length < 3) {
                throw problem(number, "has fewer than three words");
            }
            String type = words[2];
            Kind kind = KINDS.get(type);
            if (kind == null) {
                unknown.merge(type, 1, Integer::sum);
                return;
            }
            if (kind.place == Place.NOWHERE) {
                leftOut.merge(type, 1, Integer::sum);
                return;
            }
            if (has(words, "NON_GLVND") || has(words, "NEW")) {
                // The other one of two that would have the same place.
                leftOut.merge(type, 1, Integer::sum);
                return;
            }
            int at = 3;
            boolean compat = false;
            if (kind.arch) {
                String arch = word(number, words, at++);
                if (!arch.equals("NATIVE") && !arch.equals("COMPAT32")) {
                    throw problem(number, "has \"" + shown(arch) + "\" where NATIVE or COMPAT32 belongs");
                }
                compat = arch.equals("COMPAT32");
            }
            if (at < words.length && words[at].equals("CLASSIC")) {
                at++;
            }
            String path = kind.path ? word(number, words, at++) : "";
            String inherited = at < words.length && words[at].startsWith(DEPTH) ? words[at++] : "";
            String file = plainFile(number, words[0]);
            String place = place(number, kind.place, file, path, inherited, compat);
            if (kind.link) {
                link(number, kind.place, place, word(number, words, at), compat);
            } else if (kind.place == Place.FIRMWARE && inherited.isEmpty()) {
                throw problem(number, "is firmware without " + DEPTH);
            } else if (!places.containsKey(file)) {
                places.put(file, place);
            }
        }

        private String place(int number, Place place, String file, String path, String inherited, boolean compat)
                throws DamagedArchiveException {
            String name = file.substring(file.lastIndexOf('/') + 1);
            String library = compat ? compatLibraries : libraries;
            String at = switch (place) {
                case LIBRARIES -> library + "/" + name;
                case LIBRARIES_PATH -> library + "/" + path + "/" + name;
                case GBM -> library + "/gbm/" + name;
                case BIN -> "usr/bin/" + name;
                case FIRMWARE ->
                    "lib/firmware/nvidia/" + version.text() + "/" + inherited(number, file, inherited) + name;
                case SOURCES -> "usr/src/nvidia-" + version.text() + "/" + file;
                case EXPLICIT -> path + "/" + name;
                case PROFILES -> "usr/share/nvidia/" + name;
                case OPENCL -> "etc/OpenCL/vendors/" + name;
                case VULKAN -> "etc/vulkan/" + path + "/" + name;
                case VULKAN_SC -> "etc/vulkansc/" + path + "/" + name;
                case EGL_VENDOR -> "usr/share/glvnd/egl_vendor.d/" + name;
                case EGL_PLATFORM -> "usr/share/egl/egl_external_platform.d/" + name;
                case UNIT -> "usr/lib/systemd/system/" + name;
                case FILE_LISTS -> "usr/share/nvidia/files.d/" + name;
                case WINE -> library + "/nvidia/wine/" + name;
                case NOWHERE -> throw new IllegalStateException("has no place");
            };
            String tidy = tidy(at);
            String problem = ManifestPath.problem(tidy);
            if (!problem.isEmpty()) {
                throw problem(number, "would put a file at \"" + shown(tidy) + "\", which " + problem);
            }
            return tidy;
        }

        private static String inherited(int number, String file, String word) throws DamagedArchiveException {
            int depth = 0;
            if (!word.isEmpty()) {
                String digits = word.substring(DEPTH.length());
                if (digits.length() != 1 || digits.charAt(0) < '0' || digits.charAt(0) > '9') {
                    throw problem(number, "has the depth \"" + shown(digits) + "\"");
                }
                depth = digits.charAt(0) - '0';
            }
            String path = file.substring(0, file.lastIndexOf('/') + 1);
            for (int i = 0; i < depth; i++) {
                int slash = path.indexOf('/');
                if (slash < 0) {
                    throw problem(number, "has a greater depth than its path");
                }
                path = path.substring(slash + 1);
            }
            return path;
        }

        private void link(int number, Place place, String at, String target, boolean compat)
                throws DamagedArchiveException {
            // GBM's say a library's name, and lie one directory below the libraries.
            String says = place == Place.GBM ? "../" + target : target;
            String problem = ManifestPath.linkProblem(at, says);
            if (!problem.isEmpty()) {
                throw problem(number, "has a link to \"" + shown(target) + "\", which " + problem);
            }
            if (!compat || !at.equals(says)) {
                links.putIfAbsent(at, says);
            }
        }

        private static String plainFile(int number, String word) throws DamagedArchiveException {
            String file = word.startsWith("./") ? word.substring(2) : word;
            String problem = ManifestPath.problem(file);
            if (!problem.isEmpty()) {
                throw problem(number, "names the file \"" + shown(file) + "\", which " + problem);
            }
            return file;
        }

        private static String word(int number, String[] words, int at) throws DamagedArchiveException {
            if (at >= words.length) {
                throw problem(number, "has too few words for the type " + shown(words[2]));
            }
            return words[at];
        }

        private static boolean has(String[] words, String word) {
            for (int i = 3; i < words.length; i++) {
                if (words[i].equals(word)) {
                    return true;
                }
            }
            return false;
        }

        /** Without double, leading and trailing slashes. */
        private static String tidy(String path) {
            List<String> names = new ArrayList<>();
            for (String name : path.split("/", -1)) {
                if (!name.isEmpty()) {
                    names.add(name);
                }
            }
            return String.join("/", names);
        }

        private static String shown(String text) {
            String shortened = text.length() > 100 ? text.substring(0, 100) : text;
            return ManifestPath.plain(shortened) ? shortened : "?";
        }

        private static DamagedArchiveException problem(int number, String what) {
            return new DamagedArchiveException("line " + number + " of its " + NAME + " " + what);
        }

        RunfileManifest done() throws DamagedArchiveException {
            if (places.isEmpty()) {
                throw new DamagedArchiveException("its " + NAME + " has no files");
            }
            links.keySet().removeAll(places.values());
            return new RunfileManifest(version, places, links, leftOut, unknown);
        }
    }

    /** What of it is the kernel's modules' sources of a type; empty where the driver has none. */
    Optional<String> sources(ModuleType type) {
        String directory = type == ModuleType.OPEN ? "kernel-open/" : "kernel/";
        return places.keySet().stream().anyMatch(file -> file.equals(directory + "Kbuild"))
                ? Optional.of(directory)
                : Optional.empty();
    }
}
