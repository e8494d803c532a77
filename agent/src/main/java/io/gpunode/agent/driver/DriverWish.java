package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.DriverVersion;
import java.util.List;

/**
 * Which driver a node is to have: what the configuration says, and what its GPUs can work with.
 *
 * @param settings the configuration's
 * @param gpus PCI device ids of the node's GPUs, four hexadecimal digits each; empty while none is known
 */
public record DriverWish(AgentConfig.Driver settings, List<String> gpus) {
    /** The first device id of Turing, and with it of GPUs that have open modules (open-gpu-kernel-modules, README). */
    private static final int TURING = 0x1e00;
    /** The first of Blackwell; from there on, and for Grace Hopper, there are open modules only. */
    private static final int BLACKWELL = 0x2900;

    private static final List<Integer> GRACE_HOPPER = List.of(0x2342, 0x2345, 0x2348);
    /** From this branch on NVIDIA recommends the open modules wherever they work. */
    private static final int OPEN_BY_DEFAULT = 560;

    public DriverWish {
        gpus = List.copyOf(gpus);
    }

    /** Which set of modules is wanted of a version that has both. */
    public ModuleType type(DriverVersion version) {
        return types(version).getFirst();
    }

    /** Which sets of modules these GPUs work with and the settings allow, the better one first; of a version that has one of them only, that is taken. */
    public List<ModuleType> types(DriverVersion version) {
        return switch (settings.kernelModuleType()) {
            case OPEN -> List.of(ModuleType.OPEN);
            case PROPRIETARY -> List.of(ModuleType.PROPRIETARY);
            case AUTO -> {
                boolean every = true;
                boolean needed = false;
                for (String gpu : gpus) {
                    int id = id(gpu);
                    every &= id >= TURING;
                    needed |= id >= BLACKWELL || GRACE_HOPPER.contains(id);
                }
                if (!every) {
                    yield List.of(ModuleType.PROPRIETARY);
                }
                if (needed) {
                    yield List.of(ModuleType.OPEN);
                }
                yield version.branch() >= OPEN_BY_DEFAULT
                        ? List.of(ModuleType.OPEN, ModuleType.PROPRIETARY)
                        : List.of(ModuleType.PROPRIETARY, ModuleType.OPEN);
            }
        };
    }

    /** Whether a version is one that is wanted. */
    public boolean accepts(DriverVersion version) {
        String wanted = settings.version();
        return wanted.isEmpty()
                || version.text().equals(wanted)
                || version.text().startsWith(wanted + ".");
    }

    private static int id(String text) {
        try {
            return Integer.parseInt(text, 16);
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
