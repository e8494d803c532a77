package io.gpunode.agent.mig;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Who uses a GPU's instances at one moment: processes that NVML names, and pods to which the kubelet gave one.
 *
 * @param holders in the order in which they are to be named
 * @param names under which the kubelet may have given the GPU or a MIG device of it: the id of the GPU instance that it stands for, -1 for the
 *     GPU itself
 */
public record MigUse(List<Holder> holders, Map<String, Integer> names) {
    /** Nobody. */
    public static final MigUse NOBODY = new MigUse(List.of());

    private static final int ANY = -1;

    public MigUse {
        holders = List.copyOf(holders);
        names = Map.copyOf(names);
    }

    /** Of a GPU that the kubelet cannot have given to anybody. */
    public MigUse(List<Holder> holders) {
        this(holders, Map.of());
    }

    /**
     * One who uses it.
     *
     * @param who for people: {@code process 4711 (python3)}, {@code pod training/bert-0}
     * @param gpuInstance the GPU instance's id; -1 for the GPU itself
     * @param computeInstance the compute instance's id; -1 for the whole GPU instance
     */
    public record Holder(String who, int gpuInstance, int computeInstance) {}

    /** Whether somebody uses this compute instance, or all of its GPU instance. */
    boolean holds(int gpuInstance, int computeInstance) {
        return !of(gpuInstance, computeInstance).isEmpty();
    }

    /** Those who use a GPU instance or a part of it. */
    List<Holder> of(int gpuInstance) {
        return holders.stream()
                .filter(holder -> holder.gpuInstance == gpuInstance)
                .toList();
    }

    /** Those who use this compute instance, or all of its GPU instance. */
    List<Holder> of(int gpuInstance, int computeInstance) {
        return holders.stream()
                .filter(holder -> holder.gpuInstance == gpuInstance
                        && (holder.computeInstance == ANY || holder.computeInstance == computeInstance))
                .toList();
    }

    static String names(List<Holder> holders) {
        return holders.stream().map(Holder::who).distinct().collect(Collectors.joining(", "));
    }
}
