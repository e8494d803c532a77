package io.gpunode.nvml;

import java.util.ArrayList;
import java.util.List;

/** Every kind of query, with the fields that an exporter reads. */
final class Queries {
    private static final int[] FIELDS = {
        1, 3, 4, 5, 6, 29, 30, 31, 38, 45, 52, 59, 74, 75, 76, 77, 78, 79, 82, 83, 94, 138, 139, 142, 143, 144, 145,
        185, 186
    };

    private Queries() {}

    static List<NvmlQuery> all() {
        List<NvmlQuery> queries = new ArrayList<>();
        for (int field : FIELDS) {
            queries.add(new NvmlQuery.Field(field, 0));
        }
        for (int type = 0; type < 4; type++) {
            queries.add(new NvmlQuery.Clock(type));
            queries.add(new NvmlQuery.MaxClock(type));
            queries.add(new NvmlQuery.ApplicationsClock(type));
            queries.add(new NvmlQuery.TemperatureThreshold(type));
        }
        for (NvmlQuery.MemoryPart part : NvmlQuery.MemoryPart.values()) {
            queries.add(new NvmlQuery.Memory(part));
            queries.add(new NvmlQuery.Bar1Memory(part));
        }
        for (NvmlQuery.RemappedRowsPart part : NvmlQuery.RemappedRowsPart.values()) {
            queries.add(new NvmlQuery.RemappedRows(part));
        }
        for (NvmlQuery.RemapAvailability left : NvmlQuery.RemapAvailability.values()) {
            queries.add(new NvmlQuery.RemapBanks(left));
        }
        for (NvmlQuery.FabricPart part : NvmlQuery.FabricPart.values()) {
            queries.add(new NvmlQuery.Fabric(part));
        }
        for (int location = 0; location < 8; location++) {
            queries.add(new NvmlQuery.MemoryErrors(false, false, location));
            queries.add(new NvmlQuery.MemoryErrors(true, true, location));
        }
        queries.addAll(List.of(
                new NvmlQuery.MarginTemperature(),
                new NvmlQuery.PowerLimitConstraint(false),
                new NvmlQuery.PowerLimitConstraint(true),
                new NvmlQuery.DefaultPowerLimit(),
                new NvmlQuery.PcieThroughput(false),
                new NvmlQuery.PcieThroughput(true),
                new NvmlQuery.ComputeMode(),
                new NvmlQuery.PersistenceMode(),
                new NvmlQuery.MigMode(),
                new NvmlQuery.ConfidentialCompute(),
                new NvmlQuery.SramThresholdExceeded(),
                new NvmlQuery.UnrepairableMemory(),
                new NvmlQuery.NvLinkErrors(0, 0),
                new NvmlQuery.Temperature(),
                new NvmlQuery.Power(),
                new NvmlQuery.PowerLimit(),
                new NvmlQuery.EnforcedPowerLimit(),
                new NvmlQuery.Energy(),
                new NvmlQuery.Utilization(false),
                new NvmlQuery.Utilization(true),
                new NvmlQuery.EncoderUtilization(),
                new NvmlQuery.DecoderUtilization(),
                new NvmlQuery.PcieReplays(),
                new NvmlQuery.PcieLinkGeneration(),
                new NvmlQuery.PcieLinkWidth(),
                new NvmlQuery.ClocksEventReasons(),
                new NvmlQuery.PerformanceState(),
                new NvmlQuery.FanSpeed(),
                new NvmlQuery.VgpuLicensed()));
        return queries;
    }
}
