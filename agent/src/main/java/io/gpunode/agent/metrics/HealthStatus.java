package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Gpu.FabricState;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.time.Tick;
import java.util.Arrays;
import java.util.List;

/**
 * What DCGM's health rules say about one GPU: for each watch a status and the code of the gravest finding, the first of equals. XIDs count as
 * long as the agent runs, as in DCGM. Reused from GPU to GPU; not thread-safe.
 */
final class HealthStatus {
    static final int PASS = 0;
    static final int WARNING = 10;
    static final int FAILURE = 20;

    private static final String OK = "DCGM_FR_OK";
    private static final String XID_ERROR = "DCGM_FR_XID_ERROR";
    /** GT/s by PCIe generation, from 1. */
    private static final double[] GIGATRANSFERS = {2.5, 5, 8, 16, 32, 64};
    /** Repetitions in a minute that a bit error rate of one in 10^12 explains, for each GT/s of a lane. */
    private static final double REPLAYS_IN_A_MINUTE = 0.06;

    private static final long CRC_ERRORS_IN_A_MINUTE = 100 * 60;
    private static final long REMAPPED_ROWS_LIMIT = 512;
    private static final long RETIRED_PAGES_LIMIT = 63;
    private static final long RETIRED_FOR_DOUBLE_BIT_LIMIT = 15;
    private static final int VOLTA = 5;

    /** Counters of which one is too many: of NVLink up to 4 the first two, of NVLink 5 the others. */
    static final List<Quantity> CRITICAL_LINK_ERRORS = List.of(
            Quantity.NVLINK_REPLAY_ERRORS,
            Quantity.NVLINK_RECOVERY_ERRORS,
            Quantity.NVLINK_MALFORMED_PACKETS,
            Quantity.NVLINK_BUFFER_OVERRUNS,
            Quantity.NVLINK_RECEIVE_ERRORS,
            Quantity.NVLINK_RECEIVE_REMOTE_ERRORS,
            Quantity.NVLINK_RECEIVE_GENERAL_ERRORS,
            Quantity.NVLINK_INTEGRITY_ERRORS,
            Quantity.NVLINK_RECOVERIES,
            Quantity.NVLINK_EFFECTIVE_ERRORS,
            Quantity.NVLINK_ECC_DATA_ERRORS);

    /** A driver's wish for a repair, by NVML's number of it. */
    private record Recovery(long action, int status, String code) {}

    private static final List<Recovery> RECOVERIES = List.of(
            new Recovery(1, FAILURE, "DCGM_FR_GPU_RECOVERY_RESET"),
            new Recovery(2, FAILURE, "DCGM_FR_GPU_RECOVERY_REBOOT"),
            new Recovery(3, WARNING, "DCGM_FR_GPU_RECOVERY_DRAIN_P2P"),
            new Recovery(4, FAILURE, "DCGM_FR_GPU_RECOVERY_DRAIN_RESET"));

    /** What an XID says about which part. */
    private record XidRule(HealthWatch watch, int status, String code, long... xids) {
        boolean names(long xid) {
            for (long each : xids) {
                if (each == xid) {
                    return true;
                }
            }
            return false;
        }
    }

    private static final List<XidRule> XIDS = List.of(
            new XidRule(HealthWatch.PCIE, WARNING, XID_ERROR, 38, 39, 42),
            new XidRule(HealthWatch.NVLINK, WARNING, XID_ERROR, 67, 73, 121, 137),
            new XidRule(HealthWatch.MEM, FAILURE, "DCGM_FR_ROW_REMAP_FAILURE", 64),
            new XidRule(HealthWatch.MEM, WARNING, "DCGM_FR_PENDING_PAGE_RETIREMENTS", 63),
            new XidRule(HealthWatch.MEM, WARNING, XID_ERROR, 31, 32, 43),
            new XidRule(HealthWatch.THERMAL, WARNING, "DCGM_FR_CLOCK_THROTTLE_THERMAL", 60),
            new XidRule(HealthWatch.THERMAL, WARNING, XID_ERROR, 61, 62),
            new XidRule(HealthWatch.POWER, WARNING, "DCGM_FR_CLOCK_THROTTLE_POWER", 57),
            new XidRule(HealthWatch.POWER, WARNING, XID_ERROR, 54, 56, 58, 78),
            new XidRule(HealthWatch.ALL, FAILURE, "DCGM_FR_FALLEN_OFF_BUS", 79),
            new XidRule(HealthWatch.ALL, FAILURE, "DCGM_FR_UNCONTAINED_ERROR", 95),
            new XidRule(HealthWatch.ALL, FAILURE, XID_ERROR, 48, 74, 119, 120, 140),
            new XidRule(HealthWatch.ALL, WARNING, "DCGM_FR_CONTAINED_ERROR", 94));

    private final int[] statuses = new int[HealthWatch.EVERY.size()];
    private final String[] codes = new String[HealthWatch.EVERY.size()];

    int status(HealthWatch watch) {
        return statuses[watch.ordinal()];
    }

    /** The name of DCGM's error code. */
    String code(HealthWatch watch) {
        return codes[watch.ordinal()];
    }

    /** Judges a GPU. */
    void judge(Gpu gpu, DevicePast past, Tick now) {
        Arrays.fill(statuses, PASS);
        Arrays.fill(codes, OK);
        judgeLinks(gpu, past, now);
        judgeMemory(gpu.sample(), past, now);
        judgePower(gpu.sample(), past, now);
        if (past.grownInAMinute(Quantity.PCIE_REPLAYS, now) > allowedReplays(gpu.sample())) {
            found(HealthWatch.PCIE, WARNING, "DCGM_FR_PCI_REPLAY_RATE");
        }
        if (gpu.sample().has(Quantity.RECOVERY_ACTION)) {
            long wanted = gpu.sample().value(Quantity.RECOVERY_ACTION);
            for (int i = 0; i < RECOVERIES.size(); i++) {
                Recovery recovery = RECOVERIES.get(i);
                if (recovery.action == wanted) {
                    found(HealthWatch.DRIVER, recovery.status, recovery.code);
                }
            }
        }
        boolean volta = gpu.architecture().isPresent() && gpu.architecture().getAsInt() == VOLTA;
        for (XidCounts.Entry entry : gpu.xidCounts().entries()) {
            for (XidRule rule : XIDS) {
                if (rule.names(entry.xid())) {
                    found(rule.watch, rule.status, rule.code);
                }
            }
            if (volta && entry.xid() == 93) {
                found(HealthWatch.INFOROM, WARNING, "DCGM_FR_CORRUPT_INFOROM");
            }
        }
    }

    private void judgeLinks(Gpu gpu, DevicePast past, Tick now) {
        // A GPU that is split uses no NVLink, and its links may be down for that.
        long down = !gpu.migEnabled() && gpu.sample().has(Quantity.NVLINK_ACTIVE_LINKS)
                ? past.linksEverActive() & ~gpu.sample().value(Quantity.NVLINK_ACTIVE_LINKS)
                : 0;
        if (down != 0) {
            found(HealthWatch.NVLINK, FAILURE, "DCGM_FR_NVLINK_DOWN");
        }
        for (int i = 0; i < CRITICAL_LINK_ERRORS.size(); i++) {
            if (past.grownInAMinute(CRITICAL_LINK_ERRORS.get(i), now) > 0) {
                found(HealthWatch.NVLINK, FAILURE, "DCGM_FR_NVLINK_ERROR_CRITICAL");
            }
        }
        long crc = Math.max(
                past.grownInAMinute(Quantity.NVLINK_CRC_FLIT_ERRORS, now),
                past.grownInAMinute(Quantity.NVLINK_CRC_DATA_ERRORS, now));
        if (crc >= CRC_ERRORS_IN_A_MINUTE) {
            found(HealthWatch.NVLINK, FAILURE, "DCGM_FR_NVLINK_CRC_ERROR_THRESHOLD");
        } else if (crc > 0) {
            found(HealthWatch.NVLINK, WARNING, "DCGM_FR_NVLINK_ERROR_THRESHOLD");
        }
        if (gpu.fabric() instanceof Reading.Value<FabricState>(FabricState fabric)
                && (fabric.health().equals(FabricState.UNHEALTHY)
                        || fabric.health().equals(FabricState.LIMITED))) {
            found(HealthWatch.NVLINK, WARNING, "DCGM_FR_FABRIC_PROBE_STATE");
        }
    }

    private void judgeMemory(GpuSample sample, DevicePast past, Tick now) {
        if (number(sample, Quantity.ECC_UNCORRECTED_VOLATILE) > 0) {
            found(HealthWatch.MEM, FAILURE, "DCGM_FR_VOLATILE_DBE_DETECTED");
        }
        if (number(sample, Quantity.ROW_REMAP_FAILED) > 0) {
            found(HealthWatch.MEM, FAILURE, "DCGM_FR_ROW_REMAP_FAILURE");
        }
        if (number(sample, Quantity.MEMORY_UNREPAIRABLE) > 0) {
            found(HealthWatch.MEM, FAILURE, "DCGM_FR_FAULTY_MEMORY");
        }
        long forDoubleBit = number(sample, Quantity.RETIRED_PAGES_DOUBLE_BIT);
        if (forDoubleBit + number(sample, Quantity.RETIRED_PAGES_SINGLE_BIT) >= RETIRED_PAGES_LIMIT) {
            found(HealthWatch.MEM, FAILURE, "DCGM_FR_RETIRED_PAGES_LIMIT");
        }
        if (forDoubleBit > RETIRED_FOR_DOUBLE_BIT_LIMIT && past.retiredInAWeek(now) > 1) {
            found(HealthWatch.MEM, FAILURE, "DCGM_FR_RETIRED_PAGES_DBE_LIMIT");
        }
        if (number(sample, Quantity.RETIRED_PAGES_PENDING) > 0) {
            found(HealthWatch.MEM, WARNING, "DCGM_FR_PENDING_PAGE_RETIREMENTS");
        }
        if (number(sample, Quantity.REMAPPED_ROWS_UNCORRECTABLE) >= REMAPPED_ROWS_LIMIT) {
            found(HealthWatch.MEM, WARNING, "DCGM_FR_UNCORRECTABLE_ROW_REMAP");
        }
    }

    private void judgePower(GpuSample sample, DevicePast past, Tick now) {
        if (past.grownInAMinute(Quantity.THERMAL_VIOLATION_NANOSECONDS, now) > 0) {
            found(HealthWatch.THERMAL, WARNING, "DCGM_FR_CLOCK_THROTTLE_THERMAL");
        }
        if (past.grownInAMinute(Quantity.POWER_VIOLATION_NANOSECONDS, now) > 0) {
            found(HealthWatch.POWER, WARNING, "DCGM_FR_CLOCK_THROTTLE_POWER");
        }
        if (sample.status(Quantity.POWER_MILLIWATTS) == GpuSample.FAILED) {
            found(HealthWatch.POWER, WARNING, "DCGM_FR_POWER_UNREADABLE");
        }
    }

    private void found(HealthWatch watch, int status, String code) {
        if (status > statuses[watch.ordinal()]) {
            statuses[watch.ordinal()] = status;
            codes[watch.ordinal()] = code;
        }
    }

    private static double allowedReplays(GpuSample sample) {
        int generation = Math.clamp(number(sample, Quantity.PCIE_LINK_GENERATION), 1, GIGATRANSFERS.length);
        long lanes = Math.max(1, number(sample, Quantity.PCIE_LINK_WIDTH));
        return Math.max(1, GIGATRANSFERS[generation - 1] * lanes * REPLAYS_IN_A_MINUTE);
    }

    /** What was not read is no finding. */
    private static long number(GpuSample sample, Quantity quantity) {
        return sample.has(quantity) ? sample.value(quantity) : 0;
    }
}
