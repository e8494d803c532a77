package io.gpunode.agent.driver;

import io.gpunode.agent.os.CommandRunner;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The compiler for a kernel's modules. The kernel's flags are those that its own compiler knows, so the same family is needed, and best the same major
 * version; a newer one may do, an older one lacks flags.
 *
 * @param program its name on the host
 * @param clang whether LLVM's tools are used
 * @param exact whether its major version is the kernel's compiler's
 * @param said what it says of itself
 */
record KernelCompiler(String program, boolean clang, boolean exact, String said) {
    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final int OUTPUT_LIMIT = 4_096;
    /** The version is the first number of that form that stands alone: {@code gcc-12 (Debian 12.2.0-14) 12.2.0}, {@code clang version 17.0.6}. */
    private static final Pattern VERSION = Pattern.compile("(?:^| )(\\d{1,3})\\.\\d+(?:\\.\\d+)?(?: |$)");

    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9_.+-]{1,64}");

    /**
     * Finds it.
     *
     * @param wanted what the kernel says of its compiler ({@code CONFIG_CC_VERSION_TEXT}); empty when it does not
     */
    static KernelCompiler find(String wanted, HostCommands host, CommandRunner commands)
            throws DriverSourceException, InterruptedException {
        boolean clang = wanted.contains("clang");
        int major = major(wanted);
        List<String> tried = new ArrayList<>();
        KernelCompiler newer = null;
        for (String program : candidates(wanted, clang, major)) {
            if (tried.contains(program)) {
                continue;
            }
            tried.add(program);
            if (!host.has(program)) {
                continue;
            }
            String said = version(program, host, commands);
            int found = major(said);
            if (said.isEmpty() || said.contains("clang") != clang) {
                continue;
            }
            if (major == 0 || found == major) {
                return new KernelCompiler(program, clang, major != 0, said);
            }
            if (found > major && newer == null) {
                newer = new KernelCompiler(program, clang, false, said);
            }
        }
        if (newer != null) {
            return newer;
        }
        String family = clang ? "clang" : "gcc";
        throw new DriverSourceException(
                DriverSourceException.Kind.TOOLS,
                "there is no compiler for the kernel's modules: the kernel was compiled by \"" + wanted + "\", and "
                        + String.join(", ", tried) + " are missing or older; install "
                        + (major == 0 ? family : family + "-" + major + " or " + family + " " + major)
                        + ", or have the modules built elsewhere and brought as a bundle");
    }

    private static List<String> candidates(String wanted, boolean clang, int major) {
        List<String> candidates = new ArrayList<>();
        String first = wanted.split(" ", -1)[0];
        if (WORD.matcher(first).matches()) {
            candidates.add(first);
        }
        String family = clang ? "clang" : "gcc";
        if (major > 0) {
            candidates.add(family + "-" + major);
            // SUSE's and Amazon's spellings of a second compiler.
            candidates.add(family + major);
            candidates.add(family + major + "-" + family);
            candidates.add("/opt/rh/gcc-toolset-" + major + "/root/usr/bin/gcc");
        }
        candidates.add(family);
        candidates.add("cc");
        for (int newer = major + 1; major > 0 && newer <= major + 4; newer++) {
            candidates.add(family + "-" + newer);
        }
        return candidates;
    }

    private static String version(String program, HostCommands host, CommandRunner commands)
            throws InterruptedException {
        try {
            CommandRunner.Result result =
                    commands.run(host.command(List.of(program, "--version")), LIMIT, OUTPUT_LIMIT);
            return result.ok() ? result.output().lines().findFirst().orElse("").strip() : "";
        } catch (IOException e) {
            return "";
        }
    }

    /** 0 when the text has no version. */
    static int major(String text) {
        Matcher matcher = VERSION.matcher(text);
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
    }
}
