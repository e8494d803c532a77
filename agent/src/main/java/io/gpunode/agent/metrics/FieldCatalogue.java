package io.gpunode.agent.metrics;

import static io.gpunode.agent.metrics.Field.Conversion.AS_IS;
import static io.gpunode.agent.metrics.Field.Conversion.MEBIBYTES;
import static io.gpunode.agent.metrics.Field.Conversion.THOUSANDTHS;
import static io.gpunode.agent.metrics.Field.Scope.BOARD;
import static io.gpunode.agent.metrics.Field.Scope.GPU_INSTANCE;
import static io.gpunode.agent.metrics.MetricType.COUNTER;
import static io.gpunode.agent.metrics.MetricType.GAUGE;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Every device metric that the agent knows, as data: names, ids and types are those of dcgm-exporter (types of the newest release, in which rates
 * are gauges); rows that {@code on} begins are shown by default, as in the newest default counters file. {@code docs/metrics.md} is made from it.
 */
public final class FieldCatalogue {
    private static final List<Field> FIELDS = withProfiling(
            // Clocks
            on(
                    "DCGM_FI_DEV_SM_CLOCK",
                    100,
                    GAUGE,
                    BOARD,
                    Quantity.SM_CLOCK_MHZ,
                    AS_IS,
                    "Clock of the streaming multiprocessors, in MHz."),
            on(
                    "DCGM_FI_DEV_MEM_CLOCK",
                    101,
                    GAUGE,
                    BOARD,
                    Quantity.MEMORY_CLOCK_MHZ,
                    AS_IS,
                    "Clock of the memory, in MHz."),
            off(
                    "DCGM_FI_DEV_VIDEO_CLOCK",
                    102,
                    GAUGE,
                    BOARD,
                    Quantity.VIDEO_CLOCK_MHZ,
                    AS_IS,
                    "Clock of the video engines, in MHz."),
            off(
                    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
                    112,
                    GAUGE,
                    BOARD,
                    Quantity.CLOCKS_EVENT_REASONS,
                    AS_IS,
                    "Reasons why the clocks are below their maximum, as NVML's bit mask."),
            off(
                    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
                    112,
                    GAUGE,
                    BOARD,
                    Quantity.CLOCKS_EVENT_REASONS,
                    AS_IS,
                    "Older name of DCGM_FI_DEV_CLOCKS_EVENT_REASONS."),

            // Temperature
            on(
                    "DCGM_FI_DEV_MEMORY_TEMP",
                    140,
                    GAUGE,
                    BOARD,
                    Quantity.MEMORY_TEMPERATURE_CELSIUS,
                    AS_IS,
                    "Memory temperature, in degrees Celsius."),
            on(
                    "DCGM_FI_DEV_GPU_TEMP",
                    150,
                    GAUGE,
                    BOARD,
                    Quantity.GPU_TEMPERATURE_CELSIUS,
                    AS_IS,
                    "GPU temperature, in degrees Celsius."),
            off(
                    "DCGM_FI_DEV_SLOWDOWN_TEMP",
                    158,
                    GAUGE,
                    BOARD,
                    Quantity.SLOWDOWN_TEMPERATURE_CELSIUS,
                    AS_IS,
                    "Temperature from which the GPU slows itself down, in degrees Celsius."),
            off(
                    "DCGM_FI_DEV_SHUTDOWN_TEMP",
                    159,
                    GAUGE,
                    BOARD,
                    Quantity.SHUTDOWN_TEMPERATURE_CELSIUS,
                    AS_IS,
                    "Temperature at which the GPU shuts itself down, in degrees Celsius."),

            // Power
            on(
                    "DCGM_FI_DEV_POWER_USAGE",
                    155,
                    GAUGE,
                    BOARD,
                    Quantity.POWER_MILLIWATTS,
                    THOUSANDTHS,
                    "Power drawn by the board, in watts."),
            on(
                    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
                    156,
                    COUNTER,
                    BOARD,
                    Quantity.ENERGY_MILLIJOULES,
                    AS_IS,
                    "Energy used since the driver was loaded, in millijoules."),
            off(
                    "DCGM_FI_DEV_POWER_USAGE_INSTANT",
                    157,
                    GAUGE,
                    BOARD,
                    Quantity.POWER_INSTANT_MILLIWATTS,
                    THOUSANDTHS,
                    "Power drawn by the board at this moment, not averaged, in watts."),
            off(
                    "DCGM_FI_DEV_POWER_MGMT_LIMIT",
                    160,
                    GAUGE,
                    BOARD,
                    Quantity.POWER_LIMIT_MILLIWATTS,
                    THOUSANDTHS,
                    "Power limit that was asked for, in watts."),
            off(
                    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
                    164,
                    GAUGE,
                    BOARD,
                    Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS,
                    THOUSANDTHS,
                    "Power limit in force, in watts."),
            off(
                    "DCGM_FI_DEV_PSTATE",
                    190,
                    GAUGE,
                    BOARD,
                    Quantity.PERFORMANCE_STATE,
                    AS_IS,
                    "Performance state: 0 is the fastest, 15 the slowest."),
            off(
                    "DCGM_FI_DEV_FAN_SPEED",
                    191,
                    GAUGE,
                    BOARD,
                    Quantity.FAN_SPEED_PERCENT,
                    AS_IS,
                    "Fan speed, in percent of its maximum."),

            // PCIe
            on(
                    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
                    202,
                    COUNTER,
                    BOARD,
                    Quantity.PCIE_REPLAYS,
                    AS_IS,
                    "PCIe packets that had to be sent again."),
            off(
                    "DCGM_FI_DEV_PCIE_LINK_GEN",
                    237,
                    GAUGE,
                    BOARD,
                    Quantity.PCIE_LINK_GENERATION,
                    AS_IS,
                    "PCIe generation of the link at this moment."),
            off(
                    "DCGM_FI_DEV_PCIE_LINK_WIDTH",
                    238,
                    GAUGE,
                    BOARD,
                    Quantity.PCIE_LINK_WIDTH,
                    AS_IS,
                    "PCIe lanes of the link at this moment."),

            // Utilisation
            on(
                    "DCGM_FI_DEV_GPU_UTIL",
                    203,
                    GAUGE,
                    BOARD,
                    Quantity.GPU_UTILIZATION_PERCENT,
                    AS_IS,
                    "Share of time in which a kernel was running, in percent."),
            on(
                    "DCGM_FI_DEV_MEM_COPY_UTIL",
                    204,
                    GAUGE,
                    BOARD,
                    Quantity.MEMORY_COPY_UTILIZATION_PERCENT,
                    AS_IS,
                    "Share of time in which memory was read or written, in percent."),
            on(
                    "DCGM_FI_DEV_ENC_UTIL",
                    206,
                    GAUGE,
                    BOARD,
                    Quantity.ENCODER_UTILIZATION_PERCENT,
                    AS_IS,
                    "Video encoder utilisation, in percent."),
            on(
                    "DCGM_FI_DEV_DEC_UTIL",
                    207,
                    GAUGE,
                    BOARD,
                    Quantity.DECODER_UTILIZATION_PERCENT,
                    AS_IS,
                    "Video decoder utilisation, in percent."),

            // Errors
            new Field(
                    "DCGM_FI_DEV_XID_ERRORS",
                    List.of(),
                    230,
                    "Number of the last XID error; no series until there was one.",
                    "",
                    new Field.LastXid(),
                    GPU_INSTANCE,
                    "",
                    true),
            off(
                    "DCGM_FI_DEV_GET_GPU_RECOVERY_ACTION",
                    1523,
                    GAUGE,
                    BOARD,
                    Quantity.RECOVERY_ACTION,
                    AS_IS,
                    "What the driver asks for: 0 nothing, 1 GPU reset, 2 node reboot, 3 drain peer-to-peer, 4 drain and reset."),

            // Time spent below full clocks
            off(
                    "DCGM_FI_DEV_POWER_VIOLATION",
                    240,
                    COUNTER,
                    BOARD,
                    Quantity.POWER_VIOLATION_NANOSECONDS,
                    AS_IS,
                    "Time slowed down by the power limit, in ns."),
            off(
                    "DCGM_FI_DEV_THERMAL_VIOLATION",
                    241,
                    COUNTER,
                    BOARD,
                    Quantity.THERMAL_VIOLATION_NANOSECONDS,
                    AS_IS,
                    "Time slowed down by temperature, in ns."),
            off(
                    "DCGM_FI_DEV_SYNC_BOOST_VIOLATION",
                    242,
                    COUNTER,
                    BOARD,
                    Quantity.SYNC_BOOST_VIOLATION_NANOSECONDS,
                    AS_IS,
                    "Time slowed down by sync boost, in ns."),
            off(
                    "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION",
                    243,
                    COUNTER,
                    BOARD,
                    Quantity.BOARD_LIMIT_VIOLATION_NANOSECONDS,
                    AS_IS,
                    "Time slowed down by a limit of the board, in ns."),
            off(
                    "DCGM_FI_DEV_LOW_UTIL_VIOLATION",
                    244,
                    COUNTER,
                    BOARD,
                    Quantity.LOW_UTILIZATION_VIOLATION_NANOSECONDS,
                    AS_IS,
                    "Time at low clocks for want of work, in ns."),
            off(
                    "DCGM_FI_DEV_RELIABILITY_VIOLATION",
                    245,
                    COUNTER,
                    BOARD,
                    Quantity.RELIABILITY_VIOLATION_NANOSECONDS,
                    AS_IS,
                    "Time slowed down by the reliability limit, in ns."),

            // Memory
            off(
                    "DCGM_FI_DEV_FB_TOTAL",
                    250,
                    GAUGE,
                    GPU_INSTANCE,
                    Quantity.MEMORY_TOTAL_BYTES,
                    MEBIBYTES,
                    "Frame buffer, in MiB."),
            on(
                    "DCGM_FI_DEV_FB_FREE",
                    251,
                    GAUGE,
                    GPU_INSTANCE,
                    Quantity.MEMORY_FREE_BYTES,
                    MEBIBYTES,
                    "Free frame buffer, in MiB."),
            on(
                    "DCGM_FI_DEV_FB_USED",
                    252,
                    GAUGE,
                    GPU_INSTANCE,
                    Quantity.MEMORY_USED_BYTES,
                    MEBIBYTES,
                    "Used frame buffer, in MiB."),
            on(
                    "DCGM_FI_DEV_FB_RESERVED",
                    253,
                    GAUGE,
                    GPU_INSTANCE,
                    Quantity.MEMORY_RESERVED_BYTES,
                    MEBIBYTES,
                    "Frame buffer kept by driver and firmware, in MiB."),

            // ECC and page retirement
            off(
                    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
                    310,
                    COUNTER,
                    BOARD,
                    Quantity.ECC_CORRECTED_VOLATILE,
                    AS_IS,
                    "Corrected ECC errors since the driver was loaded."),
            off(
                    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
                    311,
                    COUNTER,
                    BOARD,
                    Quantity.ECC_UNCORRECTED_VOLATILE,
                    AS_IS,
                    "Uncorrected ECC errors since the driver was loaded."),
            off(
                    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
                    312,
                    COUNTER,
                    BOARD,
                    Quantity.ECC_CORRECTED_AGGREGATE,
                    AS_IS,
                    "Corrected ECC errors in the life of the board."),
            off(
                    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
                    313,
                    COUNTER,
                    BOARD,
                    Quantity.ECC_UNCORRECTED_AGGREGATE,
                    AS_IS,
                    "Uncorrected ECC errors in the life of the board."),
            off(
                    "DCGM_FI_DEV_RETIRED_SBE",
                    390,
                    COUNTER,
                    BOARD,
                    Quantity.RETIRED_PAGES_SINGLE_BIT,
                    AS_IS,
                    "Pages retired for repeated single-bit errors."),
            off(
                    "DCGM_FI_DEV_RETIRED_DBE",
                    391,
                    COUNTER,
                    BOARD,
                    Quantity.RETIRED_PAGES_DOUBLE_BIT,
                    AS_IS,
                    "Pages retired for double-bit errors."),
            off(
                    "DCGM_FI_DEV_RETIRED_PENDING",
                    392,
                    GAUGE,
                    BOARD,
                    Quantity.RETIRED_PAGES_PENDING,
                    AS_IS,
                    "1 while pages wait for a reboot to be retired."),

            // Row remapping
            on(
                    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
                    393,
                    COUNTER,
                    BOARD,
                    Quantity.REMAPPED_ROWS_UNCORRECTABLE,
                    AS_IS,
                    "Memory rows remapped for uncorrectable errors."),
            on(
                    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
                    394,
                    COUNTER,
                    BOARD,
                    Quantity.REMAPPED_ROWS_CORRECTABLE,
                    AS_IS,
                    "Memory rows remapped for correctable errors."),
            on(
                    "DCGM_FI_DEV_ROW_REMAP_FAILURE",
                    395,
                    GAUGE,
                    BOARD,
                    Quantity.ROW_REMAP_FAILED,
                    AS_IS,
                    "1 when remapping a row failed."),
            off(
                    "DCGM_FI_DEV_ROW_REMAP_PENDING",
                    396,
                    GAUGE,
                    BOARD,
                    Quantity.ROW_REMAP_PENDING,
                    AS_IS,
                    "1 while a row waits for a GPU reset to be remapped."),

            // NVLink
            off(
                    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
                    409,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_CRC_FLIT_ERRORS,
                    AS_IS,
                    "NVLink flow-control CRC errors over all links (before Hopper)."),
            off(
                    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL",
                    409,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_CRC_FLIT_ERRORS,
                    AS_IS,
                    "Newer name of DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL."),
            off(
                    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
                    419,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_CRC_DATA_ERRORS,
                    AS_IS,
                    "NVLink data CRC errors over all links (before Hopper)."),
            off(
                    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_TOTAL",
                    419,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_CRC_DATA_ERRORS,
                    AS_IS,
                    "Newer name of DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL."),
            off(
                    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
                    429,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_REPLAY_ERRORS,
                    AS_IS,
                    "NVLink replays over all links (before Hopper)."),
            off(
                    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL",
                    429,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_REPLAY_ERRORS,
                    AS_IS,
                    "Newer name of DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL."),
            off(
                    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
                    439,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_RECOVERY_ERRORS,
                    AS_IS,
                    "NVLink recoveries over all links (before Hopper)."),
            off(
                    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL",
                    439,
                    COUNTER,
                    BOARD,
                    Quantity.NVLINK_RECOVERY_ERRORS,
                    AS_IS,
                    "Newer name of DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL."),
            on(
                    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
                    449,
                    GAUGE,
                    BOARD,
                    Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND,
                    AS_IS,
                    "Payload rate over all NVLinks, both directions, in MB/s."),

            // vGPU
            new Field(
                    "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
                    List.of(),
                    526,
                    "1 when a vGPU licence is held, 0 when not.",
                    "",
                    new Field.Sampled(GAUGE, Quantity.VGPU_LICENSED, AS_IS, true),
                    BOARD,
                    "",
                    true),

            // Labels
            label("DCGM_FI_DRIVER_VERSION", 1, Field.LabelText.DRIVER_VERSION, true, "Driver version."),
            label("DCGM_FI_NVML_VERSION", 2, Field.LabelText.NVML_VERSION, false, "NVML version."),
            label("DCGM_FI_DEV_SERIAL", 53, Field.LabelText.SERIAL, false, "Serial number of the board."),
            label(
                    "DCGM_FI_DEV_VBIOS_VERSION",
                    85,
                    Field.LabelText.VBIOS_VERSION,
                    false,
                    "VBIOS version of the board."));

    private static final Map<String, Field> BY_NAME = byName();
    /** By name and alias in upper case, and by id. */
    private static final Map<String, Field> BY_KEY = byKey();

    private FieldCatalogue() {}

    /** All names that {@code metrics.fields} may hold, in the catalogue's order. */
    public static Collection<String> names() {
        return BY_NAME.keySet();
    }

    /** The names shown by default, in the catalogue's order. */
    public static List<String> defaultNames() {
        return FIELDS.stream().filter(Field::byDefault).map(Field::name).toList();
    }

    /**
     * The row that a name or number means: DCGM's old and new spellings in any case, the lower-case names of exporter 1.x, and field ids.
     *
     * @return empty when there is none; a row may be {@linkplain Field.Refused refused}
     */
    static Optional<Field> find(String nameOrId) {
        return Optional.ofNullable(BY_KEY.get(nameOrId.toUpperCase(Locale.ROOT)));
    }

    /** What has to be read for these rows. */
    static WantedReadings wanted(List<ChosenField> fields) {
        Set<Quantity> quantities = EnumSet.noneOf(Quantity.class);
        Set<LinkQuantity> linkQuantities = EnumSet.noneOf(LinkQuantity.class);
        for (ChosenField chosen : fields) {
            switch (chosen.field().source()) {
                case Field.Sampled sampled -> quantities.add(sampled.quantity());
                case Field.PerLink perLink -> linkQuantities.add(perLink.quantity());
                case Field.LastXid _, Field.Label _, Field.Refused _ -> {}
            }
        }
        return WantedReadings.of(quantities, linkQuantities, Set.of());
    }

    /** All rows. */
    static List<Field> fields() {
        return FIELDS;
    }

    private static Field on(
            String name,
            int id,
            MetricType type,
            Field.Scope scope,
            Quantity quantity,
            Field.Conversion conversion,
            String help) {
        return new Field(
                name, List.of(), id, help, "", new Field.Sampled(type, quantity, conversion, false), scope, "", true);
    }

    private static Field off(
            String name,
            int id,
            MetricType type,
            Field.Scope scope,
            Quantity quantity,
            Field.Conversion conversion,
            String help) {
        return new Field(
                name, List.of(), id, help, "", new Field.Sampled(type, quantity, conversion, false), scope, "", false);
    }

    private static Field label(String name, int id, Field.LabelText text, boolean byDefault, String help) {
        return new Field(name, List.of(), id, help, "", new Field.Label(text), BOARD, "", byDefault);
    }

    private static List<Field> withProfiling(Field... others) {
        List<Field> all = new ArrayList<>(List.of(others));
        all.addAll(ProfilingFields.all());
        return List.copyOf(all);
    }

    private static Map<String, Field> byName() {
        Map<String, Field> fields = new LinkedHashMap<>();
        for (Field field : FIELDS) {
            fields.put(field.name(), field);
        }
        return fields;
    }

    private static Map<String, Field> byKey() {
        Map<String, Field> fields = new HashMap<>();
        for (Field field : FIELDS) {
            fields.put(field.name().toUpperCase(Locale.ROOT), field);
            if (field.id() > 0) {
                fields.putIfAbsent(String.valueOf(field.id()), field);
            }
            for (String alias : field.aliases()) {
                fields.put(alias.toUpperCase(Locale.ROOT), field);
            }
        }
        return fields;
    }
}
