package io.gpunode.agent.health;

import static io.gpunode.agent.health.Repair.CHECK_HARDWARE;
import static io.gpunode.agent.health.Repair.NONE;
import static io.gpunode.agent.health.Repair.REBOOT;
import static io.gpunode.agent.health.Repair.RESET;
import static io.gpunode.agent.health.Repair.RESTART_WORK;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What is known of the XIDs, as data. Numbers and meanings are those of NVIDIA's XID catalogue (docs.nvidia.com/deploy/xid-errors) unless a row
 * says otherwise; the sentences are ours.
 */
public final class XidTable {
    private static final String CATALOGUE = "NVIDIA XID catalogue";
    private static final String IGNORED_BY_PLUGIN =
            "NVIDIA XID catalogue; ignored by NVIDIA's device plugin v0.20 (rm/health.go)";
    private static final String DCGM = "NVIDIA XID catalogue; a failure for DCGM's health watches";

    /**
     * One XID.
     *
     * @param number as the driver reports it
     * @param meaning in words, to follow "XID 48: "
     * @param application whether an application alone can cause it, so that it says nothing about the GPU
     * @param repair what usually helps
     * @param source where the row is from
     */
    record Row(long number, String meaning, boolean application, Repair repair, String source) {}

    private static final List<Row> ROWS = List.of(
            new Row(8, "the GPU stopped processing", false, RESET, CATALOGUE),
            new Row(13, "an exception in the graphics engine", true, RESTART_WORK, IGNORED_BY_PLUGIN),
            new Row(31, "a page fault in GPU memory", true, RESTART_WORK, IGNORED_BY_PLUGIN),
            new Row(32, "a corrupted push buffer stream", false, RESET, CATALOGUE),
            new Row(38, "a firmware error in the driver", false, RESET, CATALOGUE),
            new Row(43, "an application's channel stopped processing", true, RESTART_WORK, IGNORED_BY_PLUGIN),
            new Row(
                    45,
                    "an application's channels were cleaned up after an earlier error",
                    true,
                    NONE,
                    IGNORED_BY_PLUGIN),
            new Row(46, "the GPU stopped processing", false, RESET, CATALOGUE),
            new Row(48, "a double-bit ECC error", false, RESET, DCGM),
            new Row(54, "auxiliary power is not connected to the board", false, CHECK_HARDWARE, CATALOGUE),
            new Row(56, "an error of the display engine", false, RESET, CATALOGUE),
            new Row(57, "the video memory interface could not be programmed", false, RESET, CATALOGUE),
            new Row(58, "the video memory interface is unstable", false, CHECK_HARDWARE, CATALOGUE),
            new Row(60, "an exception in the video processor", false, RESET, CATALOGUE),
            new Row(61, "a breakpoint or warning of the internal microcontroller", false, RESET, CATALOGUE),
            new Row(62, "the internal microcontroller halted", false, RESET, CATALOGUE),
            new Row(
                    63,
                    "memory was retired or a row remap recorded; it takes effect at the next reset",
                    false,
                    RESET,
                    CATALOGUE),
            new Row(64, "a page retirement or row remap could not be recorded", false, CHECK_HARDWARE, DCGM),
            new Row(65, "an exception in the video processor", false, RESET, CATALOGUE),
            new Row(66, "an illegal access by the driver", false, RESET, CATALOGUE),
            new Row(67, "an illegal access by the driver", false, RESET, CATALOGUE),
            new Row(68, "an exception in the video decoder", true, RESTART_WORK, IGNORED_BY_PLUGIN),
            new Row(69, "a class error in the graphics engine", false, RESET, CATALOGUE),
            new Row(73, "an error in the video encoder", false, RESET, CATALOGUE),
            new Row(74, "an NVLink error", false, RESET, DCGM),
            new Row(78, "a vGPU could not be started", false, RESET, CATALOGUE),
            new Row(79, "the GPU has fallen off the bus", false, REBOOT, DCGM),
            new Row(80, "corrupted data was sent to the GPU", false, RESET, CATALOGUE),
            new Row(92, "a high rate of single-bit ECC errors", false, CHECK_HARDWARE, CATALOGUE),
            new Row(93, "the InfoROM is written more often than it was made for", false, RESET, CATALOGUE),
            new Row(94, "a memory error that was contained to one application", false, RESET, CATALOGUE),
            new Row(95, "a memory error that was not contained", false, RESET, DCGM),
            new Row(109, "a context switch timed out", true, RESTART_WORK, IGNORED_BY_PLUGIN),
            new Row(110, "a security fault", false, RESET, CATALOGUE),
            new Row(119, "the GPU's system processor (GSP) did not answer in time", false, RESET, DCGM),
            new Row(120, "an error of the GPU's system processor (GSP)", false, RESET, DCGM),
            new Row(121, "a corrected error of the chip-to-chip link", false, RESET, CATALOGUE),
            new Row(122, "the board's flash could not be read", false, CHECK_HARDWARE, CATALOGUE),
            new Row(123, "the board's flash could not be written", false, CHECK_HARDWARE, CATALOGUE),
            new Row(124, "the board's flash could not be erased", false, CHECK_HARDWARE, CATALOGUE),
            new Row(125, "the InfoROM's file system failed", false, CHECK_HARDWARE, CATALOGUE),
            new Row(136, "link training failed", false, RESET, CATALOGUE),
            new Row(137, "a privilege error on NVLink", false, RESET, CATALOGUE),
            new Row(140, "an ECC error that was not recovered", false, RESET, DCGM),
            new Row(143, "the GPU could not be initialised", false, RESET, CATALOGUE),
            new Row(144, "an NVLink error (SAW)", false, RESET, CATALOGUE),
            new Row(145, "an NVLink error (RLW)", false, RESET, CATALOGUE),
            new Row(146, "an NVLink error (TLW)", false, RESET, CATALOGUE),
            new Row(147, "an NVLink error (TREX)", false, RESET, CATALOGUE),
            new Row(148, "an NVLink error (NVLPW_CTRL)", false, RESET, CATALOGUE),
            new Row(149, "an NVLink error (NETIR)", false, RESET, CATALOGUE),
            new Row(150, "an NVLink error (MSE)", false, RESET, CATALOGUE),
            new Row(154, "the repair that the GPU needs has changed", false, RESET, CATALOGUE),
            new Row(155, "an NVLink error found by software", false, RESET, CATALOGUE),
            new Row(156, "a resource of the GPU was retired", false, RESET, CATALOGUE),
            new Row(157, "a resource of the GPU could not be retired", false, CHECK_HARDWARE, CATALOGUE),
            new Row(
                    999,
                    "an error that the driver gives no number for",
                    false,
                    RESET,
                    "nvml.h, nvmlEventData_t.eventData"));

    private static final Map<Long, Row> BY_NUMBER = new HashMap<>();

    static {
        for (Row row : ROWS) {
            BY_NUMBER.put(row.number(), row);
        }
    }

    private XidTable() {}

    /** What an XID means, in words to follow its number; says so when it is not known. */
    public static String meaning(long number) {
        return row(number).meaning();
    }

    /** All rows, by number. */
    static List<Row> rows() {
        return ROWS;
    }

    /** The row of a number; one that says so for a number that has none. */
    static Row row(long number) {
        Row row = BY_NUMBER.get(number);
        return row != null
                ? row
                : new Row(number, "an error that this release has no words for", false, RESET, "not in the table");
    }
}
