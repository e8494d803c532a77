package io.gpunode.benchmarks;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.os.OpenDevices;
import io.gpunode.agent.os.ProcOpenDevices;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Who holds the driver: every descriptor and mapping of a crowd of processes, beside find(1), which only follows the descriptors. */
final class HoldersBenchmark implements Benchmark {
    private static final int PROCESSES = 2_000;
    private static final int DESCRIPTORS = 50;
    private static final int LOOKS = 20;
    private static final int NVIDIA = 195;
    private static final int OUTPUT_LIMIT = 1 << 20;

    /** Opens descriptors, forks, says so, and ends with its standard input and all of its children. */
    private static final String CROWD = """
            my ($processes, $descriptors) = @ARGV;
            my @open;
            for (4 .. $descriptors) { open(my $file, '<', '/dev/null') or die $!; push @open, $file; }
            my @children;
            for (1 .. $processes) {
                my $child = fork();
                die $! unless defined $child;
                if (!$child) { sleep(3600); exit 0; }
                push @children, $child;
            }
            $| = 1;
            print "ready\\n";
            <STDIN>;
            kill 'KILL', @children;
            """;

    @Override
    public String describe() {
        return "finding who holds the driver among 2,000 processes with 100,000 descriptors";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        int processes = settings.quick() ? PROCESSES / 10 : PROCESSES;
        Process crowd = new ProcessBuilder("perl", "-e", CROWD, String.valueOf(processes), String.valueOf(DESCRIPTORS))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader said =
                new BufferedReader(new InputStreamReader(crowd.getInputStream(), StandardCharsets.UTF_8))) {
            if (!"ready".equals(said.readLine())) {
                throw new IOException("perl did not start " + processes + " processes");
            }
            measure(settings, report);
        } finally {
            crowd.getOutputStream().close();
            if (!crowd.waitFor(30, TimeUnit.SECONDS)) {
                crowd.destroyForcibly();
            }
        }
    }

    private static void measure(Settings settings, Report report) throws Exception {
        int looks = settings.samples(LOOKS);
        Latencies command = new Latencies(looks);
        Latencies within = new Latencies(looks);
        Latencies warm = new Latencies(looks);
        Latencies find = new Latencies(looks);
        OpenDevices devices = new ProcOpenDevices(new SystemHostFiles(Path.of("/")), SystemTime.monotonic());
        OpenDevices.Look look = devices.look((major, _) -> major == NVIDIA);
        report.begin(
                "holders",
                "Every process of the machine, " + look.processes() + " with " + look.descriptors()
                        + " descriptors: by the command in a process of its own, in a process that runs already, and by find(1) as C does it.");
        for (int i = 0; i < looks; i++) {
            long begin = System.nanoTime();
            String text = output(List.of(settings.launcher().toString(), "driver", "holders", "--output", "json"));
            command.add(System.nanoTime() - begin);
            within.add(TimeUnit.MILLISECONDS.toNanos(tookMillis(text)));
            begin = System.nanoTime();
            output(List.of("sh", "-c", "find -L /proc/[0-9]*/fd -maxdepth 1 -type b 2>/dev/null; true"));
            find.add(System.nanoTime() - begin);
            begin = System.nanoTime();
            devices.look((major, _) -> major == NVIDIA);
            warm.add(System.nanoTime() - begin);
        }
        report.row("`driver holders`, from the start of its process", command);
        report.row("`driver holders`, the look alone", within);
        report.row("the look in a process that is warm", warm);
        report.row("find -L /proc/[0-9]*/fd -maxdepth 1 -type b", find);
        report.end();
    }

    private static long tookMillis(String text) throws IOException {
        try {
            return JsonValue.parse(text).member("tookMillis").wholeNumber().orElseThrow();
        } catch (JsonException e) {
            throw new IOException("driver holders did not write JSON: " + text, e);
        }
    }

    private static String output(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String text = new String(process.getInputStream().readNBytes(OUTPUT_LIMIT), StandardCharsets.UTF_8);
        if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new IOException(command + " failed");
        }
        return text;
    }
}
