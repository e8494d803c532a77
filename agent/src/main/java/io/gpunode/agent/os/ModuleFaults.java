package io.gpunode.agent.os;

import java.util.List;
import java.util.Locale;

/**
 * Finds the {@link ModuleFault} behind a program's message, the kernel's lines of that time and what restricts this kernel. Pure. The messages of the programs are those of kmod and
 * BusyBox in the C locale, which end with the C library's text of the error; the kernel's are those of kernel/module and of NVIDIA's modules.
 */
final class ModuleFaults {
    /**
     * What may stand in the way before a module is even looked at.
     *
     * @param capable whether this process has CAP_SYS_MODULE
     * @param disabled whether {@code kernel.modules_disabled} is 1
     * @param blocked whether the kernel's command line names the module in {@code module_blacklist=}
     * @param lockdown as in {@link BootSecurity}
     */
    record Restrictions(boolean capable, boolean disabled, boolean blocked, String lockdown) {
        static final Restrictions NONE = new Restrictions(true, false, false, "none");

        boolean lockedDown() {
            return lockdown.equals("integrity") || lockdown.equals("confidentiality");
        }
    }

    /** What the kernel logs beside an error, in lower case. The first one that is found counts. */
    private record Clue(String inLog, ModuleFault fault) {}

    /** An error and what it can mean. The texts are the C library's and, where they differ, kmod's. */
    private record Meaning(List<String> texts, List<Clue> clues, ModuleFault otherwise) {}

    private static final Clue UNSIGNED = new Clue("unsigned module", ModuleFault.NOT_SIGNED);
    private static final Clue UNSUPPORTED_SIGNATURE = new Clue("unsupported crypto", ModuleFault.SIGNATURE_UNSUPPORTED);
    private static final Clue UNAVAILABLE_KEY = new Clue("unavailable key", ModuleFault.UNKNOWN_KEY);
    private static final Clue PARAMETER = new Clue("for parameter `", ModuleFault.BAD_PARAMETER);
    private static final Clue DISAGREES = new Clue("disagrees about version of symbol", ModuleFault.SYMBOL_VERSION);
    private static final Clue NAMESPACE = new Clue("but does not import it", ModuleFault.NAMESPACE_NOT_IMPORTED);

    /** In the order in which their texts are looked for: one that contains another's comes first. */
    private static final List<Meaning> LOADING = List.of(
            new Meaning(List.of("error running install command"), List.of(), ModuleFault.REPLACED),
            new Meaning(
                    List.of("not found in directory", "could not find module", "module not found"),
                    List.of(),
                    ModuleFault.NO_SUCH_MODULE),
            new Meaning(
                    List.of("required key not available"),
                    List.of(UNSIGNED, UNSUPPORTED_SIGNATURE),
                    ModuleFault.UNKNOWN_KEY),
            new Meaning(
                    List.of("key was rejected by service"),
                    List.of(UNSIGNED, UNSUPPORTED_SIGNATURE, UNAVAILABLE_KEY),
                    ModuleFault.SIGNATURE_REJECTED),
            new Meaning(List.of("bad message"), List.of(), ModuleFault.SIGNATURE_DAMAGED),
            new Meaning(List.of("no data available"), List.of(), ModuleFault.NOT_SIGNED),
            new Meaning(List.of("package not installed"), List.of(), ModuleFault.SIGNATURE_UNSUPPORTED),
            new Meaning(
                    List.of("invalid module format", "exec format error"),
                    List.of(
                            new Clue("version magic", ModuleFault.OTHER_KERNEL),
                            new Clue("module architecture", ModuleFault.OTHER_ARCHITECTURE),
                            new Clue("this_module section size", ModuleFault.OTHER_CONFIGURATION),
                            new Clue("exports duplicate symbol", ModuleFault.DUPLICATE_SYMBOL),
                            new Clue("no symbol version", ModuleFault.NO_SYMBOL_VERSIONS),
                            DISAGREES,
                            UNSIGNED),
                    ModuleFault.DAMAGED_FILE),
            new Meaning(List.of("wrong symbol version"), List.of(), ModuleFault.SYMBOL_VERSION),
            new Meaning(
                    List.of("unknown symbol in module", "no such file or directory"),
                    List.of(
                            new Clue("gpl-only symbol", ModuleFault.GPL_ONLY_SYMBOL),
                            new Clue("gpl-incompatible module", ModuleFault.GPL_ONLY_SYMBOL),
                            PARAMETER,
                            DISAGREES,
                            NAMESPACE,
                            new Clue("unknown symbol", ModuleFault.UNKNOWN_SYMBOL)),
                    ModuleFault.UNKNOWN_SYMBOL),
            new Meaning(
                    List.of("invalid parameters", "invalid argument", "numerical result out of range"),
                    List.of(DISAGREES, NAMESPACE, PARAMETER),
                    ModuleFault.INIT_REFUSED),
            new Meaning(
                    List.of("device or resource busy"),
                    List.of(new Clue("gave up waiting for init of module", ModuleFault.PROVIDER_NOT_READY)),
                    ModuleFault.CHANGING),
            new Meaning(List.of("file exists", "already in kernel"), List.of(), ModuleFault.ALREADY_LOADED),
            new Meaning(List.of("cannot allocate memory", "out of memory"), List.of(), ModuleFault.NO_MEMORY),
            new Meaning(
                    List.of("no such device"),
                    // What is said of one GPU before what is said of all; a GPU that needs a legacy driver is not
                    // counted as one.
                    List.of(
                            new Clue("legacy drivers", ModuleFault.GPU_UNSUPPORTED),
                            new Clue("is not supported by the", ModuleFault.GPU_UNSUPPORTED),
                            new Clue("is not supported by open", ModuleFault.NEEDS_PROPRIETARY),
                            new Clue("assigned to your nvidia device is invalid", ModuleFault.NO_RESOURCES),
                            new Clue("can't find an irq for your nvidia card", ModuleFault.NO_RESOURCES),
                            new Clue("fallen off the bus", ModuleFault.FALLEN_OFF),
                            new Clue("already bound to", ModuleFault.DEVICE_OWNED),
                            new Clue("another driver", ModuleFault.DEVICE_OWNED),
                            new Clue("probe routine was not called", ModuleFault.DEVICE_OWNED),
                            new Clue("no nvidia gpu found", ModuleFault.NO_GPU),
                            new Clue("probe routine failed", ModuleFault.HARDWARE)),
                    ModuleFault.NO_DEVICE),
            new Meaning(List.of("input/output error", "i/o error"), List.of(), ModuleFault.HARDWARE),
            new Meaning(
                    List.of("operation not supported", "not supported"),
                    List.of(),
                    ModuleFault.COMPRESSION_UNSUPPORTED),
            new Meaning(List.of("text file busy"), List.of(), ModuleFault.FILE_BEING_WRITTEN),
            new Meaning(List.of("permission denied"), List.of(), ModuleFault.FILE_REFUSED));

    private static final List<Meaning> UNLOADING = List.of(
            new Meaning(List.of("is in use by"), List.of(), ModuleFault.HELD_BY_MODULES),
            new Meaning(List.of("is builtin"), List.of(), ModuleFault.PERMANENT),
            new Meaning(
                    List.of("unloading is not supported", "function not implemented"),
                    List.of(),
                    ModuleFault.UNLOADING_UNSUPPORTED),
            new Meaning(List.of("is in use", "resource temporarily unavailable"), List.of(), ModuleFault.IN_USE),
            new Meaning(List.of("device or resource busy"), List.of(), ModuleFault.NOT_LIVE),
            new Meaning(List.of("interrupted system call"), List.of(), ModuleFault.INTERRUPTED));

    private ModuleFaults() {}

    /**
     * Why loading failed.
     *
     * @param said the program's words
     * @param log the kernel's lines of that time
     */
    static ModuleFault ofLoading(String said, List<String> log, Restrictions restrictions) {
        String words = said.toLowerCase(Locale.ROOT);
        if (words.contains("operation not permitted")) {
            return notPermitted(log, restrictions);
        }
        return meaning(LOADING, words, log);
    }

    /**
     * Why unloading failed.
     *
     * @param hasHolders whether other modules depend on it
     * @param hasExit whether it can be unloaded at all
     */
    static ModuleFault ofUnloading(
            String said, List<String> log, Restrictions restrictions, boolean hasHolders, boolean hasExit) {
        String words = said.toLowerCase(Locale.ROOT);
        if (words.contains("operation not permitted")) {
            return notPermitted(log, restrictions);
        }
        return switch (meaning(UNLOADING, words, log)) {
            case IN_USE -> hasHolders ? ModuleFault.HELD_BY_MODULES : ModuleFault.IN_USE;
            case NOT_LIVE -> hasExit ? ModuleFault.NOT_LIVE : ModuleFault.PERMANENT;
            case ModuleFault other -> other;
        };
    }

    private static ModuleFault notPermitted(List<String> log, Restrictions restrictions) {
        if (restrictions.disabled()) {
            return ModuleFault.MODULES_DISABLED;
        }
        if (!restrictions.capable()) {
            return ModuleFault.NO_CAPABILITY;
        }
        if (restrictions.blocked()) {
            return ModuleFault.NAME_BLOCKED;
        }
        for (String line : log) {
            if (line.toLowerCase(Locale.ROOT).contains("lockdown:")) {
                return ModuleFault.LOCKED_DOWN;
            }
        }
        return restrictions.lockedDown() ? ModuleFault.LOCKED_DOWN : ModuleFault.NOT_PERMITTED;
    }

    private static ModuleFault meaning(List<Meaning> meanings, String words, List<String> log) {
        for (Meaning meaning : meanings) {
            for (String text : meaning.texts()) {
                if (words.contains(text)) {
                    return byClue(meaning, log);
                }
            }
        }
        return ModuleFault.UNEXPLAINED;
    }

    private static ModuleFault byClue(Meaning meaning, List<String> log) {
        for (Clue clue : meaning.clues()) {
            for (String line : log) {
                if (line.toLowerCase(Locale.ROOT).contains(clue.inLog())) {
                    return clue.fault();
                }
            }
        }
        return meaning.otherwise();
    }
}
