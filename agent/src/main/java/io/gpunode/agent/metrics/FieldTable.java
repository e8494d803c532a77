package io.gpunode.agent.metrics;

import java.util.List;

/**
 * The rows of the {@linkplain FieldCatalogue catalogue} as text, one line each; it is read line by line, and a line is taken apart when somebody
 * asks for its field. Names, ids and types are those of dcgm-exporter and DCGM 4.6 (types of the newest release, in which rates are gauges).
 *
 * <p>A line begins with {@code +} when the field is shown by default. Its columns:
 *
 * <ol>
 *   <li>the name as the exporter's own counters files spell it, and other names of it: DCGM 4.6's, older ones, exporter 1.x's. A {@code *} stands
 *       for a number from 0 on, as often as there are ids;
 *   <li>DCGM's field id, or ids;
 *   <li>the type, or {@code label};
 *   <li>whether it belongs to the {@code board} or to the GPU {@code instance} when the GPU is split, or to each {@code link};
 *   <li>the quantity that it shows. {@code /1000} and {@code /MiB} divide, {@code /ratio} takes NVML's code of a bit error ratio apart, {@code or 0}
 *       shows 0 where the hardware has no such thing, {@code link *} takes the quantity of one NVLink, {@code xid} is the last XID;
 *   <li>the unit;
 *   <li>the first driver branch and the first chip that have it, or what else has to be there; empty for all that the agent supports;
 *   <li>the sentence for the HELP line.
 * </ol>
 */
final class FieldTable {
    /** Clocks, temperatures, fans. */
    private static final String CLOCKS_AND_TEMPERATURES = """
            + DCGM_FI_DEV_SM_CLOCK dcgm_sm_clock | 100 | gauge | board | SM_CLOCK_MHZ | MHz | | Clock of the streaming multiprocessors, in MHz.
            + DCGM_FI_DEV_MEM_CLOCK dcgm_memory_clock | 101 | gauge | board | MEMORY_CLOCK_MHZ | MHz | | Clock of the memory, in MHz.
              DCGM_FI_DEV_VIDEO_CLOCK | 102 | gauge | board | VIDEO_CLOCK_MHZ | MHz | | Clock of the video engines, in MHz.
              DCGM_FI_DEV_APP_SM_CLOCK | 110 | gauge | board | APPLICATION_SM_CLOCK_MHZ | MHz | | Clock of the multiprocessors that applications are promised, in MHz.
              DCGM_FI_DEV_APP_MEM_CLOCK | 111 | gauge | board | APPLICATION_MEMORY_CLOCK_MHZ | MHz | | Clock of the memory that applications are promised, in MHz.
              DCGM_FI_DEV_CLOCKS_EVENT_REASONS DCGM_FI_DEV_CLOCK_THROTTLE_REASONS | 112 | gauge | board | CLOCKS_EVENT_REASONS | bit mask | | Reasons why the clocks are below their maximum, as NVML's bit mask.
              DCGM_FI_DEV_MAX_SM_CLOCK | 113 | gauge | board | MAX_SM_CLOCK_MHZ | MHz | | Highest clock of the multiprocessors, in MHz.
              DCGM_FI_DEV_MAX_MEM_CLOCK | 114 | gauge | board | MAX_MEMORY_CLOCK_MHZ | MHz | | Highest clock of the memory, in MHz.
              DCGM_FI_DEV_MAX_VIDEO_CLOCK | 115 | gauge | board | MAX_VIDEO_CLOCK_MHZ | MHz | | Highest clock of the video engines, in MHz.
            + DCGM_FI_DEV_MEMORY_TEMP DCGM_FI_DEV_MEMORY_TEMP_CELSIUS dcgm_memory_temp | 140 | gauge | board | MEMORY_TEMPERATURE_CELSIUS | °C | boards with a sensor | Memory temperature, in degrees Celsius.
            + DCGM_FI_DEV_GPU_TEMP DCGM_FI_DEV_GPU_TEMP_CELSIUS dcgm_gpu_temp | 150 | gauge | board | GPU_TEMPERATURE_CELSIUS | °C | | GPU temperature, in degrees Celsius.
              DCGM_FI_DEV_MEM_MAX_OP_TEMP DCGM_FI_DEV_MEMORY_MAX_OP_TEMP_CELSIUS | 151 | gauge | board | MEMORY_MAX_TEMPERATURE_CELSIUS | °C | Pascal | Memory temperature from which the GPU slows itself down, in degrees Celsius.
              DCGM_FI_DEV_GPU_MAX_OP_TEMP DCGM_FI_DEV_GPU_MAX_OP_TEMP_CELSIUS | 152 | gauge | board | GPU_MAX_TEMPERATURE_CELSIUS | °C | Pascal | GPU temperature from which clocks may fall below their base, in degrees Celsius.
              DCGM_FI_DEV_GPU_TEMP_LIMIT DCGM_FI_DEV_GPU_TEMP_MARGIN_CELSIUS | 153 | gauge | board | TEMPERATURE_MARGIN_CELSIUS | °C | R560 | Degrees Celsius between the GPU's temperature and its nearest limit.
              DCGM_FI_DEV_SLOWDOWN_TEMP DCGM_FI_DEV_GPU_TEMP_SLOWDOWN_CELSIUS | 158 | gauge | board | SLOWDOWN_TEMPERATURE_CELSIUS | °C | | Temperature from which the GPU slows itself down, in degrees Celsius.
              DCGM_FI_DEV_SHUTDOWN_TEMP DCGM_FI_DEV_GPU_TEMP_SHUTDOWN_CELSIUS | 159 | gauge | board | SHUTDOWN_TEMPERATURE_CELSIUS | °C | | Temperature at which the GPU shuts itself down, in degrees Celsius.
              DCGM_FI_DEV_PSTATE DCGM_FI_DEV_GPU_PSTATE | 190 | gauge | board | PERFORMANCE_STATE | | | Performance state: 0 is the fastest, 15 the slowest.
              DCGM_FI_DEV_FAN_SPEED | 191 | gauge | board | FAN_SPEED_PERCENT | % | boards with fans | Fan speed, in percent of its maximum.
            """;

    /** Power and energy. */
    private static final String POWER = """
            + DCGM_FI_DEV_POWER_USAGE DCGM_FI_DEV_BOARD_POWER_WATTS dcgm_power_usage | 155 | gauge | board | POWER_MILLIWATTS/1000 | W | | Power drawn by the board, in watts.
            + DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION dcgm_total_energy_consumption | 156 | counter | board | ENERGY_MILLIJOULES | mJ | Volta | Energy used since the driver was loaded, in millijoules.
              DCGM_FI_DEV_POWER_USAGE_INSTANT DCGM_FI_DEV_BOARD_POWER_RAW_WATTS | 157 | gauge | board | POWER_INSTANT_MILLIWATTS/1000 | W | R530 | Power drawn by the board at this moment, not averaged, in watts.
              DCGM_FI_DEV_POWER_MGMT_LIMIT DCGM_FI_DEV_BOARD_POWER_LIMIT_REQUESTED_WATTS | 160 | gauge | board | POWER_LIMIT_MILLIWATTS/1000 | W | | Power limit that was asked for, in watts.
              DCGM_FI_DEV_POWER_MGMT_LIMIT_MIN DCGM_FI_DEV_BOARD_POWER_LIMIT_MIN_WATTS | 161 | gauge | board | POWER_LIMIT_MIN_MILLIWATTS/1000 | W | | Lowest power limit that can be set, in watts.
              DCGM_FI_DEV_POWER_MGMT_LIMIT_MAX DCGM_FI_DEV_BOARD_POWER_LIMIT_MAX_WATTS | 162 | gauge | board | POWER_LIMIT_MAX_MILLIWATTS/1000 | W | | Highest power limit that can be set, in watts.
              DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF DCGM_FI_DEV_BOARD_POWER_LIMIT_DEFAULT_WATTS | 163 | gauge | board | POWER_LIMIT_DEFAULT_MILLIWATTS/1000 | W | | Power limit that the board starts with, in watts.
              DCGM_FI_DEV_ENFORCED_POWER_LIMIT DCGM_FI_DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS | 164 | gauge | board | ENFORCED_POWER_LIMIT_MILLIWATTS/1000 | W | | Power limit in force, in watts.
              DCGM_FI_DEV_PWR_SMOOTHING_ENABLED | 1425 | gauge | board | POWER_SMOOTHING_ENABLED | flag | R570 Blackwell | 1 while power smoothing is on.
              DCGM_FI_DEV_PWR_SMOOTHING_PRIV_LVL | 1426 | gauge | board | POWER_SMOOTHING_PRIVILEGE_LEVEL | | R570 Blackwell | Power smoothing: privilege level at this moment.
              DCGM_FI_DEV_PWR_SMOOTHING_IMM_RAMP_DOWN_ENABLED | 1427 | gauge | board | POWER_SMOOTHING_IMMEDIATE_RAMP_DOWN | flag | R570 Blackwell | Power smoothing: 1 while the power may fall at once.
              DCGM_FI_DEV_PWR_SMOOTHING_APPLIED_TMP_CEIL | 1428 | gauge | board | POWER_SMOOTHING_CEILING_WATTS | W | R570 Blackwell | Power smoothing: ceiling in force, in watts.
              DCGM_FI_DEV_PWR_SMOOTHING_APPLIED_TMP_FLOOR | 1429 | gauge | board | POWER_SMOOTHING_FLOOR_WATTS | W | R570 Blackwell | Power smoothing: floor in force, in watts.
              DCGM_FI_DEV_PWR_SMOOTHING_MAX_PERCENT_TMP_FLOOR_SETTING | 1430 | gauge | board | POWER_SMOOTHING_MAX_FLOOR_PERCENT | % | R570 Blackwell | Power smoothing: highest floor that can be set, in percent.
              DCGM_FI_DEV_PWR_SMOOTHING_MIN_PERCENT_TMP_FLOOR_SETTING | 1431 | gauge | board | POWER_SMOOTHING_MIN_FLOOR_PERCENT | % | R570 Blackwell | Power smoothing: lowest floor that can be set, in percent.
              DCGM_FI_DEV_PWR_SMOOTHING_HW_CIRCUITRY_PERCENT_LIFETIME_REMAINING | 1432 | gauge | board | POWER_SMOOTHING_LIFETIME_PERCENT | % | R570 Blackwell | Power smoothing: life that is left in its circuits, in percent.
              DCGM_FI_DEV_PWR_SMOOTHING_MAX_NUM_PRESET_PROFILES | 1433 | gauge | board | POWER_SMOOTHING_PRESET_PROFILES | | R570 Blackwell | Power smoothing: number of preset profiles.
              DCGM_FI_DEV_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR | 1434 | gauge | board | POWER_SMOOTHING_PROFILE_FLOOR_PERCENT | % | R570 Blackwell | Power smoothing: floor of the first profile, in percent.
              DCGM_FI_DEV_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE | 1435 | gauge | board | POWER_SMOOTHING_PROFILE_RAMP_UP_RATE | mW/s | R570 Blackwell | Power smoothing: how fast the power may rise in the first profile, in mW/s.
              DCGM_FI_DEV_PWR_SMOOTHING_PROFILE_RAMP_DOWN_RATE | 1436 | gauge | board | POWER_SMOOTHING_PROFILE_RAMP_DOWN_RATE | mW/s | R570 Blackwell | Power smoothing: how fast the power may fall in the first profile, in mW/s.
              DCGM_FI_DEV_PWR_SMOOTHING_PROFILE_RAMP_DOWN_HYST_VAL | 1437 | gauge | board | POWER_SMOOTHING_PROFILE_RAMP_DOWN_DELAY | ms | R570 Blackwell | Power smoothing: how long the first profile waits before the power falls, in ms.
              DCGM_FI_DEV_PWR_SMOOTHING_ACTIVE_PRESET_PROFILE | 1438 | gauge | board | POWER_SMOOTHING_ACTIVE_PROFILE | | R570 Blackwell | Power smoothing: number of the profile in force.
              DCGM_FI_DEV_PWR_SMOOTHING_ADMIN_OVERRIDE_PERCENT_TMP_FLOOR | 1439 | gauge | board | POWER_SMOOTHING_OVERRIDE_FLOOR_PERCENT | % | R570 Blackwell | Power smoothing: floor that the administrator has set, in percent.
              DCGM_FI_DEV_PWR_SMOOTHING_ADMIN_OVERRIDE_RAMP_UP_RATE | 1440 | gauge | board | POWER_SMOOTHING_OVERRIDE_RAMP_UP_RATE | mW/s | R570 Blackwell | Power smoothing: rise that the administrator has set, in mW/s.
              DCGM_FI_DEV_PWR_SMOOTHING_ADMIN_OVERRIDE_RAMP_DOWN_RATE | 1441 | gauge | board | POWER_SMOOTHING_OVERRIDE_RAMP_DOWN_RATE | mW/s | R570 Blackwell | Power smoothing: fall that the administrator has set, in mW/s.
              DCGM_FI_DEV_PWR_SMOOTHING_ADMIN_OVERRIDE_RAMP_DOWN_HYST_VAL | 1442 | gauge | board | POWER_SMOOTHING_OVERRIDE_RAMP_DOWN_DELAY | ms | R570 Blackwell | Power smoothing: wait before the fall that the administrator has set, in ms.
            """;

    /** Time spent below full clocks. */
    private static final String SLOWED_DOWN = """
              DCGM_FI_DEV_POWER_VIOLATION dcgm_power_violation | 240 | counter | board | POWER_VIOLATION_NANOSECONDS | ns | | Time slowed down by the power limit, in ns.
              DCGM_FI_DEV_THERMAL_VIOLATION dcgm_thermal_violation | 241 | counter | board | THERMAL_VIOLATION_NANOSECONDS | ns | | Time slowed down by temperature, in ns.
              DCGM_FI_DEV_SYNC_BOOST_VIOLATION dcgm_sync_boost_violation | 242 | counter | board | SYNC_BOOST_VIOLATION_NANOSECONDS | ns | | Time slowed down by sync boost, in ns.
              DCGM_FI_DEV_BOARD_LIMIT_VIOLATION dcgm_board_limit_violation | 243 | counter | board | BOARD_LIMIT_VIOLATION_NANOSECONDS | ns | | Time slowed down by a limit of the board, in ns.
              DCGM_FI_DEV_LOW_UTIL_VIOLATION dcgm_low_util_violation | 244 | counter | board | LOW_UTILIZATION_VIOLATION_NANOSECONDS | ns | | Time at low clocks for want of work, in ns.
              DCGM_FI_DEV_RELIABILITY_VIOLATION dcgm_reliability_violation | 245 | counter | board | RELIABILITY_VIOLATION_NANOSECONDS | ns | | Time slowed down by the reliability limit, in ns.
              DCGM_FI_DEV_TOTAL_APP_CLOCKS_VIOLATION | 246 | counter | board | APPLICATION_CLOCKS_VIOLATION_NANOSECONDS | ns | | Time below the application clocks for any reason, in ns.
              DCGM_FI_DEV_TOTAL_BASE_CLOCKS_VIOLATION | 247 | counter | board | BASE_CLOCKS_VIOLATION_NANOSECONDS | ns | | Time below the base clocks for any reason, in ns.
              DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS | 1420 | counter | board | POWER_VIOLATION_NANOSECONDS | ns | | Time slowed down to stay within the power limit, in ns.
              DCGM_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS | 1421 | counter | board | SYNC_BOOST_VIOLATION_NANOSECONDS | ns | | Time slowed down to match other GPUs of the sync boost group, in ns.
              DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS | 1422 | counter | board | SOFTWARE_THERMAL_SLOWDOWN_NANOSECONDS | ns | R570 | Time slowed down by the driver to stay below the highest operating temperature, in ns.
              DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS | 1423 | counter | board | HARDWARE_THERMAL_SLOWDOWN_NANOSECONDS | ns | R570 | Time slowed down by the hardware for its temperature, in ns.
              DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS | 1424 | counter | board | HARDWARE_POWER_BRAKE_NANOSECONDS | ns | R570 | Time slowed down by the power brake of the machine, in ns.
            """;

    /** Utilisation and frame buffer. */
    private static final String UTILIZATION_AND_MEMORY = """
            + DCGM_FI_DEV_GPU_UTIL DCGM_FI_DEV_GPU_UTIL_RATIO dcgm_gpu_utilization | 203 | gauge | board | GPU_UTILIZATION_PERCENT | % | not with MIG | Share of time in which a kernel was running, in percent.
            + DCGM_FI_DEV_MEM_COPY_UTIL dcgm_mem_copy_utilization | 204 | gauge | board | MEMORY_COPY_UTILIZATION_PERCENT | % | not with MIG | Share of time in which memory was read or written, in percent.
            + DCGM_FI_DEV_ENC_UTIL dcgm_enc_utilization | 206 | gauge | board | ENCODER_UTILIZATION_PERCENT | % | not with MIG | Video encoder utilisation, in percent.
            + DCGM_FI_DEV_DEC_UTIL dcgm_dec_utilization | 207 | gauge | board | DECODER_UTILIZATION_PERCENT | % | not with MIG | Video decoder utilisation, in percent.
              DCGM_FI_DEV_FB_TOTAL | 250 | gauge | instance | MEMORY_TOTAL_BYTES/MiB | MiB | | Frame buffer, in MiB.
            + DCGM_FI_DEV_FB_FREE dcgm_fb_free | 251 | gauge | instance | MEMORY_FREE_BYTES/MiB | MiB | | Free frame buffer, in MiB.
            + DCGM_FI_DEV_FB_USED dcgm_fb_used | 252 | gauge | instance | MEMORY_USED_BYTES/MiB | MiB | | Used frame buffer, in MiB.
            + DCGM_FI_DEV_FB_RESERVED | 253 | gauge | instance | MEMORY_RESERVED_BYTES/MiB | MiB | R510 | Frame buffer kept by driver and firmware, in MiB.
              DCGM_FI_DEV_FB_USED_PERCENT DCGM_FI_DEV_FB_USED_RATIO | 254 | gauge | instance | MEMORY_USED_RATIO | ratio | R510 | Used frame buffer as a share of what is not reserved, 0 to 1.
              DCGM_FI_DEV_BAR1_TOTAL | 90 | gauge | instance | BAR1_TOTAL_BYTES/MiB | MiB | | Window of device memory that the PCI bus can reach (BAR1), in MiB.
              DCGM_FI_DEV_BAR1_USED | 92 | gauge | instance | BAR1_USED_BYTES/MiB | MiB | | Used part of BAR1, in MiB.
              DCGM_FI_DEV_BAR1_FREE | 93 | gauge | instance | BAR1_FREE_BYTES/MiB | MiB | | Free part of BAR1, in MiB.
            """;

    /** The PCIe link. */
    private static final String PCIE = """
              DCGM_FI_DEV_PCIE_TX_THROUGHPUT | 200 | gauge | board | PCIE_SENT_KILOBYTES_PER_SECOND | KB/s | Maxwell | Rate at which the GPU sends over PCIe, measured over 20 ms, in KB/s.
              DCGM_FI_DEV_PCIE_RX_THROUGHPUT | 201 | gauge | board | PCIE_RECEIVED_KILOBYTES_PER_SECOND | KB/s | Maxwell | Rate at which the GPU receives over PCIe, measured over 20 ms, in KB/s.
            + DCGM_FI_DEV_PCIE_REPLAY_COUNTER DCGM_FI_DEV_PCIE_REPLAY_TOTAL dcgm_pcie_replay_counter | 202 | counter | board | PCIE_REPLAYS | | | PCIe packets that had to be sent again.
              DCGM_FI_DEV_PCIE_MAX_LINK_GEN | 235 | gauge | board | PCIE_MAX_LINK_GENERATION | | | Highest PCIe generation that GPU and slot can do together.
              DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH | 236 | gauge | board | PCIE_MAX_LINK_WIDTH | lanes | | Most PCIe lanes that GPU and slot can do together.
              DCGM_FI_DEV_PCIE_LINK_GEN | 237 | gauge | board | PCIE_LINK_GENERATION | | | PCIe generation of the link at this moment.
              DCGM_FI_DEV_PCIE_LINK_WIDTH | 238 | gauge | board | PCIE_LINK_WIDTH | lanes | | PCIe lanes of the link at this moment.
              DCGM_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS DCGM_FI_DEV_PCIE_CORRECTABLE_ERROR_TOTAL | 1501 | counter | board | PCIE_CORRECTABLE_ERRORS | | R525 | PCIe errors that were corrected.
            """;

    /** Modes, XIDs, ECC, page retirement, row remapping. */
    private static final String MODES_AND_ERRORS = """
              DCGM_FI_DEV_COMPUTE_MODE DCGM_FI_DEV_GPU_COMPUTE_MODE | 65 | gauge | board | COMPUTE_MODE | enum | | Who may use the GPU: 0 anybody, 2 nobody, 3 one process.
              DCGM_FI_DEV_PERSISTENCE_MODE DCGM_FI_DEV_GPU_PERSISTENCE_MODE | 66 | gauge | board | PERSISTENCE_MODE | flag | | 1 while the driver keeps the GPU initialised without users.
              DCGM_FI_DEV_MIG_MODE | 67 | gauge | board | MIG_MODE | flag | Ampere | 1 while the GPU can be split into MIG devices.
              DCGM_FI_DEV_CC_MODE | 74 | gauge | board | CONFIDENTIAL_COMPUTE | flag | R535 Hopper | 1 while confidential computing is on.
            + DCGM_FI_DEV_XID_ERRORS DCGM_FI_DEV_XID_ERROR dcgm_xid_errors | 230 | gauge | instance | xid | XID | | Number of the last XID error; no series until there was one.
              DCGM_FI_DEV_GET_GPU_RECOVERY_ACTION DCGM_FI_DEV_GPU_RECOVERY_ACTION | 1523 | gauge | board | RECOVERY_ACTION | enum | R560 | What the driver asks for: 0 nothing, 1 GPU reset, 2 node reboot, 3 drain peer-to-peer, 4 drain and reset, 5 recover the IMEX domain.
              DCGM_FI_DEV_ECC_CURRENT DCGM_FI_DEV_ECC_MODE | 300 | gauge | board | ECC_MODE | flag | | 1 while ECC is on.
              DCGM_FI_DEV_ECC_PENDING | 301 | gauge | board | ECC_MODE_PENDING | flag | | 1 when ECC will be on after the next reset.
              DCGM_FI_DEV_ECC_SBE_VOL_TOTAL dcgm_ecc_sbe_volatile_total | 310 | counter | board | ECC_CORRECTED_VOLATILE | | | Corrected ECC errors since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_TOTAL dcgm_ecc_dbe_volatile_total | 311 | counter | board | ECC_UNCORRECTED_VOLATILE | | | Uncorrected ECC errors since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_AGG_TOTAL dcgm_ecc_sbe_aggregate_total | 312 | counter | board | ECC_CORRECTED_AGGREGATE | | | Corrected ECC errors in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_TOTAL dcgm_ecc_dbe_aggregate_total | 313 | counter | board | ECC_UNCORRECTED_AGGREGATE | | | Uncorrected ECC errors in the life of the board.
              DCGM_FI_DEV_ECC_SBE_VOL_L1 | 314 | counter | board | ECC_CORRECTED_L1_VOLATILE | | | Corrected ECC errors of the L1 cache since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_L1 | 315 | counter | board | ECC_UNCORRECTED_L1_VOLATILE | | | Uncorrected ECC errors of the L1 cache since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_VOL_L2 | 316 | counter | board | ECC_CORRECTED_L2_VOLATILE | | | Corrected ECC errors of the L2 cache since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_L2 | 317 | counter | board | ECC_UNCORRECTED_L2_VOLATILE | | | Uncorrected ECC errors of the L2 cache since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_VOL_DEV | 318 | counter | board | ECC_CORRECTED_DRAM_VOLATILE | | | Corrected ECC errors of device memory since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_DEV | 319 | counter | board | ECC_UNCORRECTED_DRAM_VOLATILE | | | Uncorrected ECC errors of device memory since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_VOL_REG | 320 | counter | board | ECC_CORRECTED_REGISTERS_VOLATILE | | | Corrected ECC errors of registers since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_REG | 321 | counter | board | ECC_UNCORRECTED_REGISTERS_VOLATILE | | | Uncorrected ECC errors of registers since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_VOL_TEX | 322 | counter | board | ECC_CORRECTED_TEXTURE_VOLATILE | | | Corrected ECC errors of texture memory since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_TEX | 323 | counter | board | ECC_UNCORRECTED_TEXTURE_VOLATILE | | | Uncorrected ECC errors of texture memory since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_AGG_L1 | 324 | counter | board | ECC_CORRECTED_L1_AGGREGATE | | | Corrected ECC errors of the L1 cache in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_L1 | 325 | counter | board | ECC_UNCORRECTED_L1_AGGREGATE | | | Uncorrected ECC errors of the L1 cache in the life of the board.
              DCGM_FI_DEV_ECC_SBE_AGG_L2 | 326 | counter | board | ECC_CORRECTED_L2_AGGREGATE | | | Corrected ECC errors of the L2 cache in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_L2 | 327 | counter | board | ECC_UNCORRECTED_L2_AGGREGATE | | | Uncorrected ECC errors of the L2 cache in the life of the board.
              DCGM_FI_DEV_ECC_SBE_AGG_DEV | 328 | counter | board | ECC_CORRECTED_DRAM_AGGREGATE | | | Corrected ECC errors of device memory in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_DEV | 329 | counter | board | ECC_UNCORRECTED_DRAM_AGGREGATE | | | Uncorrected ECC errors of device memory in the life of the board.
              DCGM_FI_DEV_ECC_SBE_AGG_REG | 330 | counter | board | ECC_CORRECTED_REGISTERS_AGGREGATE | | | Corrected ECC errors of registers in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_REG | 331 | counter | board | ECC_UNCORRECTED_REGISTERS_AGGREGATE | | | Uncorrected ECC errors of registers in the life of the board.
              DCGM_FI_DEV_ECC_SBE_AGG_TEX | 332 | counter | board | ECC_CORRECTED_TEXTURE_AGGREGATE | | | Corrected ECC errors of texture memory in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_TEX | 333 | counter | board | ECC_UNCORRECTED_TEXTURE_AGGREGATE | | | Uncorrected ECC errors of texture memory in the life of the board.
              DCGM_FI_DEV_ECC_SBE_VOL_SHM | 334 | counter | board | ECC_CORRECTED_SHARED_VOLATILE | | | Corrected ECC errors of shared memory since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_SHM | 335 | counter | board | ECC_UNCORRECTED_SHARED_VOLATILE | | | Uncorrected ECC errors of shared memory since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_VOL_CBU | 336 | counter | board | ECC_CORRECTED_CBU_VOLATILE | | | Corrected ECC errors of the convergence barrier unit since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_CBU | 337 | counter | board | ECC_UNCORRECTED_CBU_VOLATILE | | | Uncorrected ECC errors of the convergence barrier unit since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_AGG_SHM | 338 | counter | board | ECC_CORRECTED_SHARED_AGGREGATE | | | Corrected ECC errors of shared memory in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_SHM | 339 | counter | board | ECC_UNCORRECTED_SHARED_AGGREGATE | | | Uncorrected ECC errors of shared memory in the life of the board.
              DCGM_FI_DEV_ECC_SBE_AGG_CBU | 340 | counter | board | ECC_CORRECTED_CBU_AGGREGATE | | | Corrected ECC errors of the convergence barrier unit in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_CBU | 341 | counter | board | ECC_UNCORRECTED_CBU_AGGREGATE | | | Uncorrected ECC errors of the convergence barrier unit in the life of the board.
              DCGM_FI_DEV_ECC_SBE_VOL_SRM | 342 | counter | board | ECC_CORRECTED_SRAM_VOLATILE | | | Corrected ECC errors of the chip's SRAM since the driver was loaded.
              DCGM_FI_DEV_ECC_DBE_VOL_SRM | 343 | counter | board | ECC_UNCORRECTED_SRAM_VOLATILE | | | Uncorrected ECC errors of the chip's SRAM since the driver was loaded.
              DCGM_FI_DEV_ECC_SBE_AGG_SRM | 344 | counter | board | ECC_CORRECTED_SRAM_AGGREGATE | | | Corrected ECC errors of the chip's SRAM in the life of the board.
              DCGM_FI_DEV_ECC_DBE_AGG_SRM | 345 | counter | board | ECC_UNCORRECTED_SRAM_AGGREGATE | | | Uncorrected ECC errors of the chip's SRAM in the life of the board.
              DCGM_FI_DEV_THRESHOLD_SRM DCGM_FI_DEV_SRAM_EXCEEDED | 346 | gauge | board | SRAM_THRESHOLD_EXCEEDED | flag | R550 Ampere | 1 when the chip's SRAM has had more errors than its threshold allows.
              DCGM_FI_DEV_RETIRED_SBE DCGM_FI_DEV_PAGE_RETIRED_SBE_TOTAL dcgm_retired_pages_sbe | 390 | counter | board | RETIRED_PAGES_SINGLE_BIT | | before Ampere | Pages retired for repeated single-bit errors.
              DCGM_FI_DEV_RETIRED_DBE DCGM_FI_DEV_PAGE_RETIRED_DBE_TOTAL dcgm_retired_pages_dbe | 391 | counter | board | RETIRED_PAGES_DOUBLE_BIT | | before Ampere | Pages retired for double-bit errors.
              DCGM_FI_DEV_RETIRED_PENDING DCGM_FI_DEV_PAGE_RETIRED_PENDING dcgm_retired_pages_pending | 392 | gauge | board | RETIRED_PAGES_PENDING | flag | before Ampere | 1 while pages wait for a reboot to be retired.
            + DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL | 393 | counter | board | REMAPPED_ROWS_UNCORRECTABLE | | Ampere | Memory rows remapped for uncorrectable errors.
            + DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL | 394 | counter | board | REMAPPED_ROWS_CORRECTABLE | | Ampere | Memory rows remapped for correctable errors.
            + DCGM_FI_DEV_ROW_REMAP_FAILURE DCGM_FI_DEV_ROW_REMAP_FAILED | 395 | gauge | board | ROW_REMAP_FAILED | flag | Ampere | 1 when remapping a row failed.
              DCGM_FI_DEV_ROW_REMAP_PENDING | 396 | gauge | board | ROW_REMAP_PENDING | flag | Ampere | 1 while a row waits for a GPU reset to be remapped.
              DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_MAX DCGM_FI_DEV_BANK_REMAP_AVAIL_MAX | 385 | gauge | board | REMAP_BANKS_MAX | banks | Ampere | Memory banks with all of their spare rows.
              DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_HIGH DCGM_FI_DEV_BANK_REMAP_AVAIL_HIGH | 386 | gauge | board | REMAP_BANKS_HIGH | banks | Ampere | Memory banks with many spare rows left.
              DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL DCGM_FI_DEV_BANK_REMAP_AVAIL_PARTIAL | 387 | gauge | board | REMAP_BANKS_PARTIAL | banks | Ampere | Memory banks with some spare rows left.
              DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_LOW DCGM_FI_DEV_BANK_REMAP_AVAIL_LOW | 388 | gauge | board | REMAP_BANKS_LOW | banks | Ampere | Memory banks with few spare rows left.
              DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_NONE DCGM_FI_DEV_BANK_REMAP_AVAIL_NONE | 389 | gauge | board | REMAP_BANKS_NONE | banks | Ampere | Memory banks without a spare row.
              DCGM_FI_DEV_MEMORY_UNREPAIRABLE_FLAG DCGM_FI_DEV_MEMORY_UNREPAIRABLE | 1507 | gauge | board | MEMORY_UNREPAIRABLE | flag | R580 Hopper | 1 when a fault of the memory cannot be repaired by remapping.
            + DCGM_FI_DEV_VGPU_LICENSE_STATUS | 526 | gauge | board | VGPU_LICENSED or 0 | flag | | 1 when a vGPU licence is held, 0 when not.
            """;

    /** NVLinks: all together, one of them by its number, and one series per link. */
    private static final String NVLINK = """
              DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L* DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_L*_TOTAL | 400-405,451-456,406-408,481-483 | counter | board | link * CRC_FLIT_ERRORS | | before Blackwell | NVLink flow-control CRC errors of link *.
              DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL dcgm_nvlink_flit_crc_error_count_total | 409 | counter | board | NVLINK_CRC_FLIT_ERRORS | | before Hopper | NVLink flow-control CRC errors over all links.
              DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_L* DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_L*_TOTAL | 410-415,457-462,416-418,484-486 | counter | board | link * CRC_DATA_ERRORS | | before Blackwell | NVLink data CRC errors of link *.
              DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_TOTAL dcgm_nvlink_data_crc_error_count_total | 419 | counter | board | NVLINK_CRC_DATA_ERRORS | | before Hopper | NVLink data CRC errors over all links.
              DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L* DCGM_FI_DEV_NVLINK_REPLAY_ERROR_L*_TOTAL | 420-425,463-468,426-428,487-489 | counter | board | link * REPLAY_ERRORS | | before Blackwell | NVLink replays of link *.
              DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL dcgm_nvlink_replay_error_count_total | 429 | counter | board | NVLINK_REPLAY_ERRORS | | before Hopper | NVLink replays over all links.
              DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L* DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_L*_TOTAL | 430-435,469-474,436-438,491-493 | counter | board | link * RECOVERY_ERRORS | | before Blackwell | NVLink recoveries of link *.
              DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL dcgm_nvlink_recovery_error_count_total | 439 | counter | board | NVLINK_RECOVERY_ERRORS | | before Hopper | NVLink recoveries over all links.
              DCGM_FI_DEV_NVLINK_BANDWIDTH_L* DCGM_FI_DEV_NVLINK_THROUGHPUT_L* | 440-445,475-480,446-448,494-496 | gauge | board | link * MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate of NVLink *, both directions, in MB/s.
            + DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL DCGM_FI_DEV_NVLINK_THROUGHPUT_TOTAL dcgm_nvlink_bandwidth_total | 449 | gauge | board | NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate over all NVLinks, both directions, in MB/s.
              DCGM_FI_DEV_NVLINK_CRC_ERROR_TOTAL DCGM_FI_DEV_NVLINK_ERROR_DL_CRC | 497 | counter | board | NVLINK_DATA_LINK_CRC_ERRORS | | R525 Hopper | CRC errors of the data link layer over all NVLinks.
              DCGM_FI_DEV_NVLINK_RECOVERY_TOTAL DCGM_FI_DEV_NVLINK_ERROR_DL_RECOVERY | 498 | counter | board | NVLINK_DATA_LINK_RECOVERIES | | R525 Hopper | Recoveries of the data link layer over all NVLinks.
              DCGM_FI_DEV_NVLINK_REPLAY_TOTAL DCGM_FI_DEV_NVLINK_ERROR_DL_REPLAY | 499 | counter | board | NVLINK_DATA_LINK_REPLAYS | | R525 Hopper | Replays of the data link layer over all NVLinks.
              DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L* DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_L* | 825-842 | gauge | board | link * SENT_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate that NVLink * sends, in MB/s.
              DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_TOTAL DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_TOTAL | 843 | gauge | board | NVLINK_SENT_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate that all NVLinks send, in MB/s.
              DCGM_FI_DEV_NVLINK_RX_BANDWIDTH_L* DCGM_FI_DEV_NVLINK_RX_THROUGHPUT_L* | 879-896 | gauge | board | link * RECEIVED_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate that NVLink * receives, in MB/s.
              DCGM_FI_DEV_NVLINK_RX_BANDWIDTH_TOTAL DCGM_FI_DEV_NVLINK_RX_THROUGHPUT_TOTAL | 897 | gauge | board | NVLINK_RECEIVED_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate that all NVLinks receive, in MB/s.
              DCGM_FI_DEV_NVLINK_COUNT_TX_PACKETS DCGM_FI_DEV_NVLINK_TX_PACKET_TOTAL | 1200 | counter | board | NVLINK_SENT_PACKETS | | R570 Blackwell | Packets that all NVLinks have sent.
              DCGM_FI_DEV_NVLINK_COUNT_TX_BYTES DCGM_FI_DEV_NVLINK_TX_BYTES_TOTAL | 1201 | counter | board | NVLINK_SENT_BYTES | bytes | R570 Blackwell | Bytes that all NVLinks have sent.
              DCGM_FI_DEV_NVLINK_COUNT_RX_PACKETS DCGM_FI_DEV_NVLINK_RX_PACKET_TOTAL | 1202 | counter | board | NVLINK_RECEIVED_PACKETS | | R570 Blackwell | Packets that all NVLinks have received.
              DCGM_FI_DEV_NVLINK_COUNT_RX_BYTES DCGM_FI_DEV_NVLINK_RX_BYTES_TOTAL | 1203 | counter | board | NVLINK_RECEIVED_BYTES | bytes | R570 Blackwell | Bytes that all NVLinks have received.
              DCGM_FI_DEV_NVLINK_COUNT_RX_MALFORMED_PACKET_ERRORS DCGM_FI_DEV_NVLINK_RX_PACKET_MALFORMED_TOTAL | 1204 | counter | board | NVLINK_MALFORMED_PACKETS | | R570 Blackwell | Malformed packets that NVLinks have received.
              DCGM_FI_DEV_NVLINK_COUNT_RX_BUFFER_OVERRUN_ERRORS DCGM_FI_DEV_NVLINK_RX_PACKET_DROPPED_TOTAL | 1205 | counter | board | NVLINK_BUFFER_OVERRUNS | | R570 Blackwell | Packets that NVLinks dropped for want of a buffer.
              DCGM_FI_DEV_NVLINK_COUNT_RX_ERRORS DCGM_FI_DEV_NVLINK_RX_ERROR_TOTAL | 1206 | counter | board | NVLINK_RECEIVE_ERRORS | | R570 Blackwell | Packets with errors that NVLinks have received.
              DCGM_FI_DEV_NVLINK_COUNT_RX_REMOTE_ERRORS DCGM_FI_DEV_NVLINK_RX_REMOTE_ERROR_TOTAL | 1207 | counter | board | NVLINK_RECEIVE_REMOTE_ERRORS | | R570 Blackwell | Packets that the other end had marked as bad.
              DCGM_FI_DEV_NVLINK_COUNT_RX_GENERAL_ERRORS DCGM_FI_DEV_NVLINK_RX_GENERAL_ERROR_TOTAL | 1208 | counter | board | NVLINK_RECEIVE_GENERAL_ERRORS | | R570 Blackwell | Packets with a header that does not match.
              DCGM_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS DCGM_FI_DEV_NVLINK_INTEGRITY_ERROR_TOTAL | 1209 | counter | board | NVLINK_INTEGRITY_ERRORS | | R570 Blackwell | Times that an NVLink's own errors passed their threshold.
              DCGM_FI_DEV_NVLINK_COUNT_TX_DISCARDS | 1210 | counter | board | NVLINK_SEND_DISCARDS | | R570 Blackwell | Packets with errors that NVLinks dropped instead of sending them.
              DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS DCGM_FI_DEV_NVLINK_RECOVERY_SUCCESSFUL_TOTAL | 1211 | counter | board | NVLINK_RECOVERIES_SUCCEEDED | | R570 Blackwell | Times that an NVLink recovered and came back.
              DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS DCGM_FI_DEV_NVLINK_RECOVERY_FAILED_TOTAL | 1212 | counter | board | NVLINK_RECOVERIES_FAILED | | R570 Blackwell | Times that an NVLink could not recover and went down.
              DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS DCGM_FI_DEV_NVLINK_RECOVERY_EVENT_TOTAL | 1213 | counter | board | NVLINK_RECOVERIES | | R570 Blackwell | Times that an NVLink went into recovery.
              DCGM_FI_DEV_NVLINK_COUNT_RX_SYMBOL_ERRORS DCGM_FI_DEV_NVLINK_RX_SYMBOL_ERROR_TOTAL | 1214 | counter | board | NVLINK_SYMBOL_ERRORS | | R570 Blackwell | Symbols with errors that NVLinks have received.
              DCGM_FI_DEV_NVLINK_COUNT_SYMBOL_BER DCGM_FI_DEV_NVLINK_SYMBOL_BER_RAW | 1215 | gauge | board | NVLINK_SYMBOL_ERROR_RATIO_CODE | code | R570 Blackwell | Share of symbols with errors, as NVML codes it: exponent in bits 0 to 7, mantissa in bits 8 to 11.
              DCGM_FI_DEV_NVLINK_COUNT_SYMBOL_BER_FLOAT DCGM_FI_DEV_NVLINK_SYMBOL_BER_RATIO | 1216 | gauge | board | NVLINK_SYMBOL_ERROR_RATIO_CODE/ratio | ratio | R570 Blackwell | Share of symbols with errors.
              DCGM_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER DCGM_FI_DEV_NVLINK_EFFECTIVE_BER_RAW | 1217 | gauge | board | NVLINK_EFFECTIVE_ERROR_RATIO_CODE | code | R570 Blackwell | Share of bits with errors after correction, as NVML codes it: exponent in bits 0 to 7, mantissa in bits 8 to 11.
              DCGM_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER_FLOAT DCGM_FI_DEV_NVLINK_EFFECTIVE_BER_RATIO | 1218 | gauge | board | NVLINK_EFFECTIVE_ERROR_RATIO_CODE/ratio | ratio | R570 Blackwell | Share of bits with errors after correction.
              DCGM_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS DCGM_FI_DEV_NVLINK_EFFECTIVE_ERROR_TOTAL | 1219 | counter | board | NVLINK_EFFECTIVE_ERRORS | | R570 Blackwell | Errors of NVLink packets that were left after correction.
              DCGM_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_TOTAL DCGM_FI_DEV_NVLINK_ECC_ERROR_TOTAL | 1220 | counter | board | NVLINK_ECC_DATA_ERRORS | | Ampere | NVLink data ECC errors over all links.
              DCGM_FI_DEV_NVLINK_COUNT_FEC_HISTORY_* | 1404-1419 | counter | board | NVLINK_FEC_HISTORY_* | | R570 Blackwell | NVLink blocks in which forward error correction repaired * symbols.
              DCGM_FI_DEV_NVLINK_GET_STATE | 1508 | gauge | link | STATE | enum | R525 | State of one NVLink: 0 inactive, 1 active, 2 asleep.
              DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_PER_LINK_TOTAL | 1525 | counter | link | CRC_FLIT_ERRORS | | before Blackwell | Flow-control CRC errors of one NVLink.
              DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_PER_LINK_TOTAL | 1526 | counter | link | CRC_DATA_ERRORS | | before Blackwell | Data CRC errors of one NVLink.
              DCGM_FI_DEV_NVLINK_REPLAY_ERROR_PER_LINK_TOTAL | 1527 | counter | link | REPLAY_ERRORS | | before Blackwell | Replays of one NVLink.
              DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_PER_LINK_TOTAL | 1528 | counter | link | RECOVERY_ERRORS | | before Blackwell | Recoveries of one NVLink.
              DCGM_FI_DEV_NVLINK_THROUGHPUT_PER_LINK | 1529 | gauge | link | MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate of one NVLink, both directions, in MB/s.
              DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK | 1530 | gauge | link | SENT_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate that one NVLink sends, in MB/s.
              DCGM_FI_DEV_NVLINK_RX_THROUGHPUT_PER_LINK | 1531 | gauge | link | RECEIVED_MEGABYTES_PER_SECOND | MB/s | R450 | Payload rate that one NVLink receives, in MB/s.
            """;

    /** The NVSwitch fabric and the links to a Grace CPU. */
    private static final String FABRIC_AND_CHIP_TO_CHIP = """
              DCGM_FI_DEV_FABRIC_MANAGER_STATUS | 170 | gauge | board | FABRIC_STATE | enum | R535 NVSwitch | Registration with the NVSwitch fabric: 0 not supported, 1 not started, 2 in progress, 3 succeeded, 4 failed, 5 a state that the agent does not know.
              DCGM_FI_DEV_FABRIC_MANAGER_ERROR_CODE DCGM_FI_DEV_FABRIC_MANAGER_ERROR | 171 | gauge | board | FABRIC_STATUS | code | R535 NVSwitch | NVML's return code of that registration once it has ended, 0 when it went well.
              DCGM_FI_DEV_FABRIC_CLIQUE_ID | 173 | gauge | board | FABRIC_CLIQUE | | R535 NVSwitch | Number of the NVLink clique within the fabric's cluster.
              DCGM_FI_DEV_FABRIC_HEALTH_MASK | 174 | gauge | board | FABRIC_HEALTH_MASK | bit mask | R550 NVSwitch | Health of the fabric as seen by this GPU, as NVML's bit mask.
              DCGM_FI_DEV_FABRIC_HEALTH_SUMMARY | 175 | gauge | board | FABRIC_HEALTH_SUMMARY | enum | R580 NVSwitch | Health of the fabric as seen by this GPU: 0 not supported, 1 healthy, 2 unhealthy, 3 limited capacity.
              DCGM_FI_DEV_C2C_LINK_COUNT DCGM_FI_DEV_C2C_LINK_QUANTITY | 285 | gauge | board | C2C_LINKS | links | R525 Grace Hopper | Chip-to-chip links of the GPU.
              DCGM_FI_DEV_C2C_LINK_STATUS | 286 | gauge | board | C2C_STATUS | flag | R525 Grace Hopper | 1 while the first chip-to-chip link is active.
              DCGM_FI_DEV_C2C_MAX_BANDWIDTH | 287 | gauge | board | C2C_MAX_MEGABYTES_PER_SECOND | MB/s | R525 Grace Hopper | Highest rate of the first chip-to-chip link, in MB/s.
              DCGM_FI_DEV_C2C_LINK_ERROR_INTR | 1400 | counter | board | C2C_CRC_ERRORS | | R565 Grace Hopper | CRC errors of chip-to-chip links.
              DCGM_FI_DEV_C2C_LINK_ERROR_REPLAY | 1401 | counter | board | C2C_REPLAYS | | R565 Grace Hopper | Replays of chip-to-chip links.
              DCGM_FI_DEV_C2C_LINK_ERROR_REPLAY_B2B | 1402 | counter | board | C2C_REPLAYS_IN_A_ROW | | R565 Grace Hopper | Replays of chip-to-chip links that followed one another.
              DCGM_FI_DEV_C2C_LINK_POWER_STATE | 1403 | gauge | board | C2C_POWER_STATE | enum | R565 Grace Hopper | Power state of chip-to-chip links: 0 full, 1 low.
            """;

    /** Texts that become labels. */
    private static final String LABELS = """
            + DCGM_FI_DRIVER_VERSION DCGM_FI_SYSTEM_DRIVER_VERSION | 1 | label | board | DRIVER_VERSION | | | Driver version.
              DCGM_FI_NVML_VERSION DCGM_FI_SYSTEM_NVML_VERSION | 2 | label | board | NVML_VERSION | | | NVML version.
              DCGM_FI_CUDA_DRIVER_VERSION | 5 | label | board | CUDA_DRIVER_VERSION | | | Newest CUDA version that the driver supports.
              DCGM_FI_DEV_NAME DCGM_FI_DEV_GPU_NAME | 50 | label | board | NAME | | | Product name.
              DCGM_FI_DEV_BRAND DCGM_FI_DEV_GPU_BRAND | 51 | label | board | BRAND | | | Product line, such as Tesla.
              DCGM_FI_DEV_NVML_INDEX | 52 | label | board | INDEX | | | NVML's index of the GPU.
              DCGM_FI_DEV_SERIAL DCGM_FI_DEV_BOARD_SERIAL | 53 | label | board | SERIAL | | data centre boards | Serial number of the board.
              DCGM_FI_DEV_UUID DCGM_FI_DEV_GPU_UUID | 54 | label | board | UUID | | | UUID of the GPU.
              DCGM_FI_DEV_MINOR_NUMBER DCGM_FI_DEV_GPU_MINOR_NUMBER | 55 | label | board | MINOR_NUMBER | | | The number in the name of the GPU's device node.
              DCGM_FI_DEV_OEM_INFOROM_VER DCGM_FI_DEV_INFOROM_OEM_VERSION | 56 | label | board | INFOROM_OEM_VERSION | | boards with an InfoROM | Version of the InfoROM's OEM object.
              DCGM_FI_DEV_PCI_BUSID DCGM_FI_DEV_PCI_BUS_ID | 57 | label | board | PCI_BUS_ID | | | PCI address of the GPU.
              DCGM_FI_DEV_CUDA_COMPUTE_CAPABILITY DCGM_FI_CUDA_GPU_COMPUTE_CAPABILITY | 63 | label | board | COMPUTE_CAPABILITY | | | CUDA compute capability, such as 9.0.
              DCGM_FI_DEV_ECC_INFOROM_VER DCGM_FI_DEV_INFOROM_ECC_VERSION | 80 | label | board | INFOROM_ECC_VERSION | | boards with an InfoROM | Version of the InfoROM's ECC object.
              DCGM_FI_DEV_POWER_INFOROM_VER DCGM_FI_DEV_INFOROM_POWER_VERSION | 81 | label | board | INFOROM_POWER_VERSION | | boards with an InfoROM | Version of the InfoROM's power object.
              DCGM_FI_DEV_INFOROM_IMAGE_VER DCGM_FI_DEV_INFOROM_IMAGE_VERSION | 82 | label | board | INFOROM_IMAGE_VERSION | | boards with an InfoROM | Version of the InfoROM's image.
              DCGM_FI_DEV_VBIOS_VERSION | 85 | label | board | VBIOS_VERSION | | | VBIOS version of the board.
              DCGM_FI_DEV_FABRIC_CLUSTER_UUID | 172 | label | board | FABRIC_CLUSTER | | R535 NVSwitch | UUID of the NVSwitch fabric's cluster.
            """;

    /**
     * What DCGM has and NVML has not, or what is no number and no text: names, of which a {@code *} ends a family's, then ids, then the reason.
     */
    static final String REFUSED = """
            DCGM_FI_DEV_NVSWITCH_* DCGM_FI_DEV_SXID_* | 700-824,856-878,1524 | it is of an NVSwitch, which only NVIDIA's NSCQ library can ask; NVML sees the GPU's end of the links
            DCGM_FI_DEV_CPU_UTIL_* DCGM_FI_DEV_CPU_TEMP_* DCGM_FI_DEV_CPU_CLOCK_* DCGM_FI_DEV_CPU_POWER_* DCGM_FI_DEV_CPU_VENDOR DCGM_FI_DEV_CPU_MODEL DCGM_FI_DEV_SYSIO_POWER_* DCGM_FI_DEV_MODULE_POWER_* | 1100-1141 | it is of a CPU, which DCGM reads from the kernel's files; node_exporter has it
            DCGM_FI_DEV_NVLINK_PPCNT_* DCGM_FI_DEV_NVLINK_PPRM_* | 580-592,1509 | DCGM reads it from the links' registers itself; NVML has no call for it
            DCGM_FI_DEV_CONNECTX_* | 1300-1310 | it is of a network adapter and not of a GPU
            DCGM_FI_DEV_DIAG_* | 350-363 | it is a result of DCGM's own diagnostics
            DCGM_FI_DEV_VGPU_* DCGM_FI_DEV_SUPPORTED_VGPU_TYPE_IDS DCGM_FI_DEV_SUPPORTED_TYPE_INFO DCGM_FI_DEV_CREATABLE_VGPU_TYPE_IDS DCGM_FI_DEV_ENC_STATS DCGM_FI_DEV_FBC_* DCGM_FI_DEV_GPU_VIRTUAL_MODE DCGM_FI_DEV_VIRTUAL_MODE | 500-513,520-525,527-534 | it is of a host that lends vGPUs to virtual machines, which the agent does not run on
            DCGM_FI_IMEX_* | 1502-1503 | DCGM asks the IMEX daemon for it; NVML does not know
            DCGM_FI_SYSTEM_GPU_BIND_EVENT DCGM_FI_BIND_UNBIND_EVENT DCGM_FI_SYSTEM_GPU_SYNC_BOOST DCGM_FI_SYNC_BOOST DCGM_FI_SYSTEM_PROCESS_NAME DCGM_FI_PROCESS_NAME DCGM_FI_DEV_NVLINK_ERROR DCGM_FI_DEV_GPU_NVLINK_ERRORS DCGM_FI_DEV_GPM_SUPPORT | 3,6,91,94,450 | it tells of DCGM's own work and not of a GPU
            DCGM_FI_SYSTEM_GPU_QUANTITY DCGM_FI_DEV_COUNT | 4 | it is of the node: gpu_node_agent_gpus counts the GPUs
            DCGM_FI_SYSTEM_PCI_TOPOLOGY DCGM_FI_SYSTEM_NVLINK_TOPOLOGY DCGM_FI_SYSTEM_GPU_AFFINITY DCGM_FI_GPU_TOPOLOGY_* DCGM_FI_DEV_MIG_ATTRIBUTES DCGM_FI_DEV_MIG_GI_INFO DCGM_FI_DEV_MIG_CI_INFO DCGM_FI_DEV_CLOCKS_SUPPORTED DCGM_FI_DEV_SUPPORTED_CLOCKS DCGM_FI_DEV_PROCESS_ACCOUNTING_STATS DCGM_FI_DEV_ACCOUNTING_DATA DCGM_FI_DEV_NVLINK_P2P_STATUS DCGM_FI_DEV_P2P_NVLINK_STATUS | 60-62,64,75-77,130,205 | it is a structure for programs that speak to DCGM, neither a number nor a text
            DCGM_FI_DEV_CPU_AFFINITY_* DCGM_FI_DEV_MEMORY_AFFINITY_* DCGM_FI_DEV_MEM_AFFINITY_* DCGM_FI_DEV_PCI_COMBINED_ID DCGM_FI_DEV_PCI_SUBSYS_ID DCGM_FI_CUDA_GPU_VISIBLE_DEVICES DCGM_FI_DEV_CUDA_VISIBLE_DEVICES_STR DCGM_FI_DEV_MIG_MAX_SLICES DCGM_FI_DEV_INFOROM_CHECKSUM DCGM_FI_DEV_INFOROM_CONFIG_CHECK DCGM_FI_DEV_INFOROM_VALID DCGM_FI_DEV_INFOROM_CONFIG_VALID DCGM_FI_DEV_CLOCKS_AUTOBOOST_MODE DCGM_FI_DEV_AUTOBOOST DCGM_FI_DEV_BOARD_POWER_PROFILE_* DCGM_FI_DEV_REQUESTED_POWER_PROFILE_MASK DCGM_FI_DEV_ENFORCED_POWER_PROFILE_MASK DCGM_FI_DEV_VALID_POWER_PROFILE_MASK DCGM_FI_DEV_PLATFORM_* | 58-59,68-73,83-84,86-89,120,165-167,571-577 | no counters file of the exporter has it, and the agent does not read it
            """;

    /** All blocks but {@link #REFUSED}, in the order of the document. */
    static final List<String> BLOCKS = List.of(
            CLOCKS_AND_TEMPERATURES,
            POWER,
            SLOWED_DOWN,
            UTILIZATION_AND_MEMORY,
            PCIE,
            MODES_AND_ERRORS,
            NVLINK,
            FABRIC_AND_CHIP_TO_CHIP,
            DerivedFields.ROWS,
            ProfilingFields.ROWS,
            LABELS);

    private FieldTable() {}
}
