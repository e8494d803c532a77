package io.gpunode.nvml.simulator;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A node as a profile describes it: the text that the library reads, and the part of it that the node's files need.
 *
 * @param name name of the profile, or {@code custom}
 * @param text the profile itself
 * @param driverVersion for example {@code 580.95.05}
 * @param driverLoaded false when the library answers "driver not loaded"
 * @param gpus in the order of their numbers
 * @param migInstances GPU instances that the profile lays out, each with one compute instance, number 0
 */
public record SimulatedProfile(
        String name,
        String text,
        String driverVersion,
        boolean driverLoaded,
        List<Gpu> gpus,
        List<MigInstance> migInstances) {

    /**
     * One GPU.
     *
     * @param number its number in rules, and its NVML index as long as no rule reorders or removes
     * @param pciAddress as the kernel writes it, for example {@code 0000:1b:00.0}
     * @param uuid for example {@code GPU-…}
     * @param minor number of its device node {@code /dev/nvidia<minor>}
     * @param numaNode of the processor next to it, -1 where there is none
     * @param deviceId PCI device and vendor id as NVML gives them, for example {@code 0x233010DE}
     * @param productName as NVML gives it
     */
    public record Gpu(
            int number,
            String pciAddress,
            String uuid,
            int minor,
            int numaNode,
            long deviceId,
            String productName,
            String vbiosVersion) {}

    /**
     * One GPU instance.
     *
     * @param gpu number of its GPU
     * @param id NVML's GPU instance id, which encodes the place
     * @param profile for example {@code 1g.10gb}
     */
    public record MigInstance(int gpu, int id, String profile) {}

    private static final List<String> NAMES = List.of(
            "1xt4", "4xl4", "8xa100-40gb", "8xa100-80gb-mig", "8xh100", "4xgb200", "old-driver-470", "no-driver");

    public SimulatedProfile {
        gpus = List.copyOf(gpus);
        migInstances = List.copyOf(migInstances);
    }

    /** The names of the profiles that come with the simulator. */
    public static List<String> names() {
        return NAMES;
    }

    /**
     * Reads a profile that comes with the simulator.
     *
     * @throws IllegalArgumentException when there is none of that name
     */
    public static SimulatedProfile named(String name) {
        if (!NAMES.contains(name)) {
            throw new IllegalArgumentException(
                    "no simulator profile '" + name + "'; there are " + String.join(", ", NAMES));
        }
        return parse(name, resource("profiles/" + name + ".conf"));
    }

    /**
     * Reads a profile from its text; only what the node's files need is looked at, the library checks the rest when it loads it.
     *
     * @throws IllegalArgumentException when a line that is looked at is malformed
     */
    public static SimulatedProfile parse(String name, String text) {
        String driverVersion = "";
        boolean driverLoaded = true;
        Map<String, Map<String, String>> models = new LinkedHashMap<>();
        List<Gpu> gpus = new ArrayList<>();
        List<MigInstance> instances = new ArrayList<>();
        for (String line : text.replace("\\\n", " ").split("\n", -1)) {
            List<String> words = words(line);
            if (words.isEmpty()) {
                continue;
            }
            Map<String, String> values = values(words);
            switch (words.getFirst()) {
                case "driver" -> {
                    driverVersion = values.getOrDefault("version", driverVersion);
                    driverLoaded = !values.getOrDefault("loaded", driverLoaded ? "yes" : "no")
                            .equals("no");
                }
                case "model" -> models.put(words.get(1), values);
                case "gpu" -> gpus.add(gpu(Integer.parseInt(words.get(1)), models, values));
                case "mig" -> instances.add(instance(values));
                default -> {
                    // The library's business.
                }
            }
        }
        if (driverVersion.isEmpty()) {
            throw new IllegalArgumentException("the profile " + name + " has no line 'driver version=…'");
        }
        return new SimulatedProfile(name, text, driverVersion, driverLoaded, gpus, instances);
    }

    /** The first number of the driver version, for example 580. */
    public int driverBranch() {
        return Integer.parseInt(driverVersion.substring(0, driverVersion.indexOf('.')));
    }

    private static Gpu gpu(int number, Map<String, Map<String, String>> models, Map<String, String> own) {
        Map<String, String> values = new LinkedHashMap<>(models.getOrDefault(own.getOrDefault("model", ""), Map.of()));
        values.putAll(own);
        return new Gpu(
                number,
                required(number, values, "pci"),
                required(number, values, "uuid"),
                Integer.parseInt(values.getOrDefault("minor", String.valueOf(number))),
                Integer.parseInt(values.getOrDefault("numa", "0")),
                Long.decode(values.getOrDefault("device-id", "0x20B010DE")),
                values.getOrDefault("name", ""),
                values.getOrDefault("vbios", ""));
    }

    /** Needs gpu, profile and start, of a GPU with eight memory slices, as the profiles that come with the simulator have them. */
    private static MigInstance instance(Map<String, String> values) {
        int gpu = Integer.parseInt(values.getOrDefault("gpu", ""));
        String profile = required(gpu, values, "profile");
        int start = Integer.parseInt(required(gpu, values, "start"));
        int id = switch (profile.charAt(0)) {
            case '7' -> 0;
            case '3', '4' -> start == 4 ? 1 : 2;
            case '2' -> 3 + start / 2;
            default -> 7 + start;
        };
        return new MigInstance(gpu, id, profile);
    }

    private static String required(int number, Map<String, String> values, String key) {
        String value = values.get(key);
        if (value == null) {
            throw new IllegalArgumentException("gpu " + number + " has no " + key + "=");
        }
        return value;
    }

    private static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '"') {
                quoted = !quoted;
            } else if (!quoted && c == '#' && word.isEmpty()) {
                break;
            } else if (!quoted && Character.isWhitespace(c)) {
                if (!word.isEmpty()) {
                    words.add(word.toString());
                    word.setLength(0);
                }
            } else {
                word.append(c);
            }
        }
        if (!word.isEmpty()) {
            words.add(word.toString());
        }
        return words;
    }

    private static Map<String, String> values(List<String> words) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String word : words) {
            int equals = word.indexOf('=');
            if (equals > 0) {
                values.put(word.substring(0, equals), word.substring(equals + 1));
            }
        }
        return values;
    }

    static String resource(String path) {
        try (InputStream in = SimulatedProfile.class.getResourceAsStream(path)) {
            if (in == null) {
                throw new IllegalStateException(
                        "the simulator's archive lacks " + path + "; build it with Maven or make");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + " from the simulator's archive", e);
        }
    }
}
