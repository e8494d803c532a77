package io.gpunode.agent.labels;

import io.gpunode.agent.model.Gpu;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The GPUs of one name.
 *
 * @param name NVML's
 * @param gpus one at least, in PCI order
 */
record GpuModel(String name, List<Gpu> gpus) {
    /** The models of these GPUs, in the order of their first GPUs. */
    static List<GpuModel> of(List<Gpu> gpus) {
        Map<String, List<Gpu>> byName = new LinkedHashMap<>();
        for (Gpu gpu : gpus) {
            byName.computeIfAbsent(gpu.name(), _ -> new ArrayList<>()).add(gpu);
        }
        List<GpuModel> models = new ArrayList<>(byName.size());
        byName.forEach((name, members) -> models.add(new GpuModel(name, members)));
        return models;
    }

    /**
     * The one that stands for the node: the one with the most GPUs; of several such, the one whose first GPU has the lowest PCI address.
     *
     * @param models one at least
     */
    static GpuModel ofNode(List<GpuModel> models) {
        GpuModel most = models.getFirst();
        for (GpuModel model : models) {
            if (model.gpus().size() > most.gpus().size()) {
                most = model;
            }
        }
        return most;
    }

    /** The name of the architecture, as GPU feature discovery has it. */
    static String family(int major, int minor) {
        return switch (major) {
            case 1 -> "tesla";
            case 2 -> "fermi";
            case 3 -> "kepler";
            case 5 -> "maxwell";
            case 6 -> "pascal";
            case 7 -> minor < 5 ? "volta" : "turing";
            case 8 -> minor < 9 ? "ampere" : "ada-lovelace";
            case 9 -> "hopper";
            case 10, 12 -> "blackwell";
            case 13 -> "rubin";
            default -> "undefined";
        };
    }
}
