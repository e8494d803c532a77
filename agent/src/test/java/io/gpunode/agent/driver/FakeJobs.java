package io.gpunode.agent.driver;

import io.gpunode.agent.os.JobRunner;
import io.gpunode.agent.testing.KernelObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A compiler that makes modules at once, or does what it is told instead. */
final class FakeJobs implements JobRunner {
    /** The commands that were run. */
    final List<List<String>> commands = new ArrayList<>();
    /** Of the last one. */
    Map<String, String> environment = Map.of();

    /** What the modules say of themselves. */
    String version = Runfiles.VERSION;

    String kernel = "6.1.0-18-amd64";
    String licence = "Dual MIT/GPL";
    String sourceVersion = "0123456789ABCDEF0123456";
    /** Written instead of modules. */
    List<String> failure = List.of();

    int status;
    boolean timedOut;

    @Override
    public Outcome run(Job job, Consumer<String> lines) throws IOException {
        commands.add(job.command());
        environment = job.environment();
        Files.writeString(job.log(), String.join("\n", failure));
        if (!failure.isEmpty() || timedOut || status != 0) {
            failure.forEach(lines);
            return new Outcome(status, timedOut);
        }
        lines.accept("  CC [M]  nvidia/nv.o");
        module(job.directory(), "nvidia-uvm", "nvidia");
        module(job.directory(), "nvidia-modeset", "nvidia");
        module(job.directory(), "nvidia-drm", "nvidia-modeset,drm");
        module(job.directory(), "nvidia", "");
        return new Outcome(0, false);
    }

    private void module(Path directory, String name, String depends) throws IOException {
        Files.write(
                directory.resolve(name + ".ko"),
                KernelObject.with(
                        "license=" + licence,
                        "srcversion=" + sourceVersion,
                        "version=" + version,
                        "depends=" + depends,
                        "name=" + name.replace('-', '_'),
                        "vermagic=" + kernel + " SMP preempt mod_unload modversions "));
    }

    @Override
    public String withoutLimits(Limits limits) {
        return "";
    }
}
