package io.gpunode.agent.mig;

import java.util.List;
import java.util.TreeSet;

/**
 * How an entry of a configuration file names some of a node's GPUs in the fewest words: by model where the whole model is meant, else by index.
 *
 * @param filters models; empty for all
 * @param gpus indices in PCI order; empty for all
 */
record MigConfigSelector(List<MigConfigFilter> filters, List<Integer> gpus) {
    /**
     * Names some GPUs.
     *
     * @param some at least one of {@code all}
     * @param all every GPU of the node
     */
    static MigConfigSelector of(List<MigGpu> some, List<MigGpu> all) {
        TreeSet<Integer> models = new TreeSet<>();
        some.forEach(gpu -> models.add(gpu.pciDeviceId()));
        List<Integer> ofTheseModels = indices(
                all.stream().filter(gpu -> models.contains(gpu.pciDeviceId())).toList());
        List<Integer> wanted = indices(some);
        boolean oneModel = all.stream().mapToInt(MigGpu::pciDeviceId).distinct().count() == 1;
        return new MigConfigSelector(
                oneModel || wanted.size() == all.size()
                        ? List.of()
                        : models.stream().map(MigConfigFilter::model).sorted().toList(),
                wanted.equals(ofTheseModels) ? List.of() : wanted);
    }

    private static List<Integer> indices(List<MigGpu> gpus) {
        return gpus.stream().map(MigGpu::index).sorted().toList();
    }
}
