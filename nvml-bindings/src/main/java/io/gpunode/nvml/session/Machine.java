package io.gpunode.nvml.session;

import java.util.Locale;

/** The machines that NVIDIA builds NVML for and this binding knows the layouts of. */
enum Machine {
    X86_64(62, "x86-64", "x86_64-linux-gnu"),
    AARCH64(183, "ARM64", "aarch64-linux-gnu");

    private final int elfNumber;
    private final String label;
    private final String triplet;

    Machine(int elfNumber, String label, String triplet) {
        this.elfNumber = elfNumber;
        this.label = label;
        this.triplet = triplet;
    }

    /** The machine that this process runs on. */
    static Machine current() {
        String name = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
        return switch (name) {
            case "amd64", "x86_64" -> X86_64;
            case "aarch64" -> AARCH64;
            default ->
                throw new IllegalStateException(
                        "NVML is not known on the architecture '" + name + "'; run on x86-64 or ARM64");
        };
    }

    /** {@code e_machine}. */
    int elfNumber() {
        return elfNumber;
    }

    /** For messages. */
    String label() {
        return label;
    }

    /** The part of a library directory's name that Debian gives to this machine. */
    String triplet() {
        return triplet;
    }

    /** Names an {@code e_machine} number. */
    static String describe(int elfNumber) {
        for (Machine machine : values()) {
            if (machine.elfNumber == elfNumber) {
                return machine.label;
            }
        }
        return switch (elfNumber) {
            case 3 -> "x86";
            case 21 -> "POWER";
            case 40 -> "ARM";
            case 243 -> "RISC-V";
            default -> "ELF machine " + elfNumber;
        };
    }
}
