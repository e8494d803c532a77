package io.gpunode.agent.health;

import static io.gpunode.agent.health.Repair.CHECK_HARDWARE;
import static io.gpunode.agent.health.Repair.CHECK_LINKS;
import static io.gpunode.agent.health.Repair.CHECK_POWER;
import static io.gpunode.agent.health.Repair.NONE;
import static io.gpunode.agent.health.Repair.REBOOT;
import static io.gpunode.agent.health.Repair.RESET;
import static io.gpunode.agent.health.Repair.RESTART_WORK;
import static io.gpunode.agent.health.XidTable.Kind.APPLICATION;
import static io.gpunode.agent.health.XidTable.Kind.AS_SAID;
import static io.gpunode.agent.health.XidTable.Kind.GPU;
import static io.gpunode.agent.health.XidTable.Kind.IGNORED;
import static io.gpunode.agent.health.XidTable.Kind.NODE;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What is known of the XIDs, as data. Numbers, meanings and what to do at once are those of NVIDIA's XID catalogue
 * (docs.nvidia.com/deploy/xid-errors, for Ampere and newer; the older list for XIDs that only older GPUs have); a row says where its kind is
 * from. The sentences are ours. {@code docs/health.md} shows the table.
 */
public final class XidTable {
    /** What an XID says about the GPU. */
    enum Kind {
        /** Nothing that is not judged better elsewhere, or nothing at all: no finding. */
        IGNORED,
        /** About an application, or something that the driver has dealt with: worth telling, the GPU is offered. */
        APPLICATION,
        /**
         * How grave it is depends on what hit the link, and the driver's line in the kernel's log says it: "Fatal" withholds the GPU,
         * "Nonfatal" is a remark. NVML tells the number alone: a remark, since most are; the checks of the recovery action, the fabric and the
         * links see what is not.
         */
        AS_SAID,
        /** The GPU, or the MIG device that the driver names, is withheld. */
        GPU,
        /** The GPU is withheld, and its repair takes the whole node. */
        NODE
    }

    /** Where a row's kind is from. */
    enum Source {
        /** What the device plugin passes over, it passes over by default: rm/health.go of release 0.20. */
        DEVICE_PLUGIN("device plugin 0.20 ignores it"),
        /** The catalogue says to ignore it, or that applications cause it. */
        CATALOGUE_HARMLESS("catalogue: ignore, or restart the application"),
        /** The catalogue says to reset the GPU, or to have it looked at. */
        CATALOGUE("catalogue"),
        /** The catalogue tells of some causes to ignore and some to reset the GPU for; the driver names them non-fatal and fatal. */
        CATALOGUE_BY_WORD("catalogue: by the severity in the driver's line"),
        /** The catalogue says to restart the machine. */
        CATALOGUE_RESTART("catalogue: restart the machine"),
        /** The catalogue would restart the application; the device plugin withholds the GPU, and so does the agent, for a while. */
        DEVICE_PLUGIN_COUNTS("catalogue: restart the application; device plugin 0.20 counts it"),
        /** A failure for DCGM's health watches, too. */
        DCGM("catalogue; a failure for DCGM's health watches"),
        /** Only in the catalogue for Volta and older. */
        OLD_CATALOGUE("catalogue for Volta and older"),
        /** NVML's stand-in for a number that it does not know. */
        NVML("nvml.h, nvmlEventData_t.eventData"),
        /** Not in the table: withheld, as by the device plugin. */
        UNKNOWN("not in the table");

        private final String words;

        Source(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }
    }

    /**
     * One XID.
     *
     * @param number as the driver reports it
     * @param meaning in words, to follow "XID 48: "
     * @param kind what it says about the GPU
     * @param repair what usually helps
     * @param source where the kind is from
     */
    record Row(long number, String meaning, Kind kind, Repair repair, Source source) {}

    private static final Map<Long, Row> BY_NUMBER = new HashMap<>();
    private static final List<Row> ROWS = List.of(
            row(8, "the GPU stopped processing", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(11, "a corrupted push buffer stream", APPLICATION, RESTART_WORK, Source.CATALOGUE_HARMLESS),
            row(13, "an exception in the graphics engine", APPLICATION, RESTART_WORK, Source.DEVICE_PLUGIN),
            row(14, "a made-up error, for tests", IGNORED, NONE, Source.CATALOGUE_HARMLESS),
            row(
                    25,
                    "an illegal notification by the graphics engine",
                    APPLICATION,
                    RESTART_WORK,
                    Source.CATALOGUE_HARMLESS),
            row(31, "a page fault in GPU memory", APPLICATION, RESTART_WORK, Source.DEVICE_PLUGIN),
            row(32, "a corrupted push buffer stream", APPLICATION, RESTART_WORK, Source.CATALOGUE_HARMLESS),
            row(37, "a method that the firmware does not know", APPLICATION, RESTART_WORK, Source.CATALOGUE_HARMLESS),
            row(38, "the watchdog of the context switch firmware", GPU, RESET, Source.CATALOGUE),
            row(39, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(40, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(41, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(43, "an application's channel stopped processing", APPLICATION, RESTART_WORK, Source.DEVICE_PLUGIN),
            row(44, "a fault of the graphics engine during a context switch", GPU, RESET, Source.CATALOGUE),
            row(
                    45,
                    "an application's channels were cleaned up after an earlier error",
                    APPLICATION,
                    NONE,
                    Source.DEVICE_PLUGIN),
            row(46, "the GPU stopped processing", GPU, RESET, Source.CATALOGUE),
            row(48, "a double-bit ECC error", GPU, RESET, Source.DCGM),
            row(54, "auxiliary power is not connected to the board", GPU, CHECK_POWER, Source.CATALOGUE),
            row(56, "an error of the display engine", GPU, RESET, Source.OLD_CATALOGUE),
            row(57, "the video memory interface could not be programmed", GPU, RESET, Source.OLD_CATALOGUE),
            row(58, "the video memory interface is unstable", GPU, CHECK_HARDWARE, Source.OLD_CATALOGUE),
            row(59, "an error of the internal microcontroller", GPU, RESET, Source.OLD_CATALOGUE),
            row(60, "an exception in the security processor", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(61, "a breakpoint or warning of the internal microcontroller", GPU, RESET, Source.OLD_CATALOGUE),
            row(62, "the internal microcontroller halted", GPU, RESET, Source.CATALOGUE),
            // The checks row-remap and retired-pages say what is pending.
            row(
                    63,
                    "memory was retired or a row remap recorded; it takes effect at the next reset",
                    IGNORED,
                    RESET,
                    Source.CATALOGUE_HARMLESS),
            row(64, "a page retirement or row remap could not be recorded", GPU, CHECK_HARDWARE, Source.DCGM),
            row(65, "an exception in the video encoder", GPU, RESET, Source.OLD_CATALOGUE),
            row(66, "an illegal register access by the context switch firmware", GPU, RESET, Source.CATALOGUE),
            row(67, "a violation found by the context switch firmware", GPU, RESET, Source.CATALOGUE),
            row(68, "an exception in the video decoder", APPLICATION, RESTART_WORK, Source.DEVICE_PLUGIN),
            row(69, "a class error in the graphics engine", APPLICATION, RESTART_WORK, Source.CATALOGUE_HARMLESS),
            row(70, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(71, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(72, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(73, "an error in the video encoder", GPU, RESET, Source.OLD_CATALOGUE),
            row(74, "an NVLink error", GPU, CHECK_LINKS, Source.DCGM),
            row(75, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(76, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(77, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(78, "a vGPU could not be started", GPU, RESET, Source.CATALOGUE),
            row(79, "the GPU has fallen off the bus", NODE, REBOOT, Source.CATALOGUE_RESTART),
            row(80, "corrupted data was sent to the GPU", APPLICATION, RESTART_WORK, Source.CATALOGUE_HARMLESS),
            row(82, "an exception in the JPEG engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(83, "an exception in the video decoder", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(84, "an exception in the video decoder", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(85, "an exception in a copy engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(86, "an exception in the optical flow engine", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(88, "an exception in the video decoder", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(89, "an exception in the video decoder", GPU, RESTART_WORK, Source.DEVICE_PLUGIN_COUNTS),
            row(92, "a high rate of single-bit ECC errors", APPLICATION, CHECK_HARDWARE, Source.CATALOGUE_HARMLESS),
            row(
                    93,
                    "the InfoROM is written more often than it was made for",
                    APPLICATION,
                    NONE,
                    Source.CATALOGUE_HARMLESS),
            row(
                    94,
                    "a memory error that was contained to one application",
                    APPLICATION,
                    RESTART_WORK,
                    Source.CATALOGUE_HARMLESS),
            row(95, "a memory error that was not contained", GPU, RESET, Source.DCGM),
            row(106, "a test message of the management controller", IGNORED, NONE, Source.CATALOGUE_HARMLESS),
            row(107, "a test message of the management controller", IGNORED, NONE, Source.CATALOGUE_HARMLESS),
            row(
                    108,
                    "an address of another GPU could not be translated on NVLink",
                    APPLICATION,
                    CHECK_LINKS,
                    Source.CATALOGUE_HARMLESS),
            row(109, "a context switch timed out", APPLICATION, RESTART_WORK, Source.DEVICE_PLUGIN),
            row(110, "a security fault", GPU, RESET, Source.CATALOGUE),
            row(119, "the GPU's system processor (GSP) did not answer in time", GPU, RESET, Source.DCGM),
            row(120, "an error of the GPU's system processor (GSP)", GPU, RESET, Source.DCGM),
            row(121, "a corrected error of the chip-to-chip link", APPLICATION, RESET, Source.CATALOGUE_HARMLESS),
            row(122, "the board's flash could not be read", GPU, CHECK_HARDWARE, Source.OLD_CATALOGUE),
            row(123, "the board's flash could not be written", GPU, CHECK_HARDWARE, Source.OLD_CATALOGUE),
            row(124, "the board's flash could not be erased", GPU, CHECK_HARDWARE, Source.OLD_CATALOGUE),
            row(125, "the InfoROM's file system failed", GPU, CHECK_HARDWARE, Source.OLD_CATALOGUE),
            row(136, "link training failed", GPU, RESET, Source.CATALOGUE),
            row(
                    137,
                    "a privilege error on NVLink, often of an application on another GPU",
                    APPLICATION,
                    CHECK_LINKS,
                    Source.CATALOGUE_HARMLESS),
            row(140, "an ECC error that was not recovered", GPU, RESET, Source.DCGM),
            row(141, "an error on a fast path", GPU, RESET, Source.CATALOGUE),
            row(142, "an exception in the video encoder", GPU, CHECK_HARDWARE, Source.CATALOGUE),
            row(143, "the GPU could not be initialised", GPU, RESET, Source.CATALOGUE),
            row(144, "an NVLink error (SAW)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(145, "an NVLink error (RLW)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(146, "an NVLink error (TLW)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(147, "an NVLink error (TREX)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(148, "an NVLink error (NVLPW_CTRL)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(149, "an NVLink error (NETIR)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(150, "an NVLink error (MSE)", AS_SAID, RESET, Source.CATALOGUE_BY_WORD),
            row(151, "an encryption key could not be changed", NODE, REBOOT, Source.CATALOGUE_RESTART),
            // The check recovery-action says what the driver asks for.
            row(154, "the repair that the GPU needs has changed", IGNORED, NONE, Source.CATALOGUE_HARMLESS),
            row(155, "an NVLink error found by software", GPU, RESET, Source.CATALOGUE),
            row(156, "a resource of the GPU was retired", GPU, RESET, Source.CATALOGUE),
            row(157, "a resource of the GPU could not be retired", GPU, CHECK_HARDWARE, Source.CATALOGUE),
            row(158, "the GPU did not answer in time", GPU, RESET, Source.CATALOGUE),
            row(160, "a memory channel was retired", APPLICATION, RESET, Source.CATALOGUE_HARMLESS),
            row(161, "a memory channel could not be retired", GPU, CHECK_HARDWARE, Source.CATALOGUE),
            row(167, "the PCIe link did not answer in time", GPU, CHECK_HARDWARE, Source.CATALOGUE),
            row(168, "the GPU has less memory than it was built with", GPU, CHECK_HARDWARE, Source.CATALOGUE),
            row(169, "the security processor halted", GPU, RESET, Source.CATALOGUE),
            row(171, "an uncorrectable error in device memory", GPU, RESET, Source.CATALOGUE),
            row(172, "an uncorrectable error in a memory of the chip", GPU, RESET, Source.CATALOGUE),
            row(999, "an error that the driver gives no number for", GPU, RESET, Source.NVML));

    private XidTable() {}

    private static Row row(long number, String meaning, Kind kind, Repair repair, Source source) {
        Row row = new Row(number, meaning, kind, repair, source);
        BY_NUMBER.put(number, row);
        return row;
    }

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
                : new Row(number, "an error that this release has no words for", Kind.GPU, RESET, Source.UNKNOWN);
    }
}
