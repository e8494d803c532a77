package io.gpunode.agent.gpu;

import io.gpunode.agent.model.Gpu.FabricState;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlReturn;
import java.util.ArrayList;
import java.util.List;

/** NVML's numbers about the NVSwitch fabric in words and in DCGM's numbers; NVML's are those of {@code nvml.h}, {@code NVML_GPU_FABRIC_*}. Pure. */
final class FabricStates {
    private static final int STATE_COMPLETED = 3;

    private static final int REGISTERED = 3;
    private static final int REGISTRATION_FAILED = 4;
    private static final int REGISTRATION_UNRECOGNIZED = 5;

    /** A field of the health mask that is 1 when it is bad, and its words. */
    private record Flag(int shift, String words) {}

    private static final List<Flag> FLAGS = List.of(
            new Flag(0, "bandwidth is degraded"),
            new Flag(2, "routes are being recovered"),
            new Flag(4, "a route is unhealthy"),
            new Flag(6, "it recovers from an access timeout"));
    private static final int FLAG_WIDTH = 0x3;
    private static final int FLAG_TRUE = 1;
    private static final int CONFIGURATION_SHIFT = 8;
    private static final int CONFIGURATION_WIDTH = 0xf;
    private static final int PARTITION_SHIFT = 12;
    private static final int PARTITION_NOT_ASSIGNED = 2;

    private FabricStates() {}

    /** In words. Of a GPU that belongs to a fabric: {@code state} is not 0. */
    static FabricState of(Nvml.FabricInfo info) {
        return new FabricState(
                state(info.state(), info.status()),
                IdentityReader.printable(info.clusterUuid()),
                info.cliqueId(),
                switch (info.healthSummary()) {
                    case 1 -> "healthy";
                    case 2 -> FabricState.UNHEALTHY;
                    case 3 -> FabricState.LIMITED;
                    default -> "unknown";
                },
                info.healthMask() < 0 ? List.of() : problems(info.healthMask()));
    }

    /** Whether the registration has ended, well or not. */
    static boolean isCompleted(int state) {
        return state == STATE_COMPLETED;
    }

    /** The registration as DCGM numbers it ({@code dcgmFabricManagerStatus_t}): NVML's states up to "in progress", then how it ended. */
    static int registration(int state, int status) {
        if (isCompleted(state)) {
            return status == NvmlReturn.SUCCESS.code() ? REGISTERED : REGISTRATION_FAILED;
        }
        return state >= 0 && state < STATE_COMPLETED ? state : REGISTRATION_UNRECOGNIZED;
    }

    private static String state(int state, int status) {
        return switch (state) {
            case 1 -> "not started";
            case 2 -> "in progress";
            case STATE_COMPLETED ->
                status == NvmlReturn.SUCCESS.code()
                        ? FabricState.COMPLETED
                        : "failed with " + NvmlReturn.nameOf(status);
            default -> "state " + state;
        };
    }

    private static List<String> problems(int mask) {
        List<String> problems = new ArrayList<>();
        for (Flag flag : FLAGS) {
            if ((mask >> flag.shift() & FLAG_WIDTH) == FLAG_TRUE) {
                problems.add(flag.words());
            }
        }
        int configuration = mask >> CONFIGURATION_SHIFT & CONFIGURATION_WIDTH;
        if (configuration > 1) {
            problems.add(
                    switch (configuration) {
                        case 2 -> "the system's GUID is wrong";
                        case 3 -> "the chassis' serial number is wrong";
                        case 4 -> "it has no partition";
                        case 5 -> "it has too few NVLinks";
                        case 6 -> "the GPU's firmware does not fit";
                        case 7 -> "the GPU is at a wrong place";
                        case 8 -> "the GPU is in a wrong state";
                        default -> "it is set up wrongly (" + configuration + ")";
                    });
        }
        if ((mask >> PARTITION_SHIFT & FLAG_WIDTH) == PARTITION_NOT_ASSIGNED) {
            problems.add("the GPU is assigned to no partition");
        }
        return problems;
    }
}
