package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A configuration file of mig-parted, version 1: layouts of the node's GPUs by their names. {@link MigConfigReader} reads it, {@link MigConfigText}
 * writes it.
 *
 * @param layouts at least one, in the order of the file, each with at least one entry
 */
public record MigConfigFile(Map<String, List<Entry>> layouts) {
    /** The only version there is. */
    static final String VERSION = "v1";

    public MigConfigFile {
        Map<String, List<Entry>> copy = new LinkedHashMap<>();
        layouts.forEach((label, entries) -> copy.put(label, List.copyOf(entries)));
        layouts = Collections.unmodifiableMap(copy);
    }

    /** One of the layouts, by a name that it has. */
    public List<Entry> layout(String label) {
        return Objects.requireNonNull(layouts.get(label), label);
    }

    /**
     * What some of the GPUs are to be. Where several entries name a GPU, the last one counts.
     *
     * @param filters models; empty for all
     * @param gpus indices in PCI order, ascending; empty for all
     * @param enabled whether MIG is to be on
     * @param devices the MIG devices; empty for none, and always when MIG is to be off
     * @param place where it stands
     */
    public record Entry(
            List<MigConfigFilter> filters, List<Integer> gpus, boolean enabled, List<Devices> devices, Place place) {
        public Entry {
            filters = List.copyOf(filters);
            gpus = List.copyOf(gpus);
            devices = List.copyOf(devices);
        }

        /** The same modes without MIG devices. */
        public Entry withoutDevices() {
            return new Entry(filters, gpus, enabled, List.of(), place);
        }

        /** Whether it names a GPU. */
        boolean names(MigGpu gpu) {
            boolean model = filters.isEmpty()
                    || filters.stream().anyMatch(filter -> filter.matches(gpu.pciDeviceId(), gpu.pciSubsystemId()));
            return model && (gpus.isEmpty() || gpus.contains(gpu.index()));
        }
    }

    /**
     * So many MIG devices of a kind.
     *
     * @param count at least 1
     * @param place where it stands
     */
    public record Devices(MigConfigProfile profile, int count, Place place) {}
}
