package io.gpunode.agent.admin;

import io.gpunode.agent.admin.StatusLine.Tone;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodUse;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The status page's numbers and its table of GPUs and MIG devices, of one picture. */
final class StatusGpus {
    private static final int COLUMNS = 7;
    private static final long MEBIBYTE = 1L << 20;
    private static final double GIBIBYTE = 1L << 30;

    /** From here on a memory's bar has another colour. */
    private static final int NEARLY_FULL_PERCENT = 95;

    private final NodeSnapshot snapshot;
    private final DeviceHolders holders;

    StatusGpus(NodeSnapshot snapshot, DeviceHolders holders) {
        this.snapshot = snapshot;
        this.holders = holders;
    }

    int count() {
        return snapshot.gpus().size();
    }

    /** How many GPUs containers may not be given. */
    int withheld() {
        int withheld = 0;
        for (Gpu gpu : snapshot.gpus()) {
            withheld += gpu.healthy() ? 0 : 1;
        }
        return withheld;
    }

    /** An item for each GPU and MIG device that containers may not be given, with its first reason and who holds it. */
    void withheld(Html items) {
        for (int place = 0; place < count(); place++) {
            Gpu gpu = snapshot.gpus().get(place);
            if (!gpu.healthy()) {
                Finding first = gpu.health().all().getFirst();
                item(items, true, "GPU " + gpu.index() + " is withheld", first, holders.holders(place));
            }
            for (MigDevice mig : gpu.migDevices()) {
                if (mig.health() instanceof GpuHealth.Unhealthy unhealthy) {
                    item(
                            items,
                            true,
                            "MIG device " + gpu.index() + ":" + mig.index() + " is withheld",
                            unhealthy.findings().getFirst(),
                            holders.holders(place, mig.gpuInstanceId()));
                }
            }
        }
    }

    /** What needs somebody, with the next step and the pods that it hits. */
    static void item(Html items, boolean bad, String subject, Finding finding, List<PodUse> holders) {
        items.raw(bad ? "<li><strong>" : "<li class=\"warning\"><strong>")
                .text(subject)
                .raw(":</strong> ")
                .text(finding.reason());
        if (!finding.repair().isEmpty()) {
            items.raw("<p>Next step: ").text(finding.repair()).raw("</p>");
        }
        String separator = "<p>Held by ";
        for (PodUse use : holders) {
            items.raw(separator).text(use.namespace() + "/" + use.pod());
            separator = ", ";
        }
        items.raw(holders.isEmpty() ? "</li>\n" : "</p></li>\n");
    }

    /** The node in a few numbers; nothing without GPUs. */
    void tiles(Html html) {
        if (count() == 0) {
            return;
        }
        long used = 0;
        long total = 0;
        long milliwatts = 0;
        long hottest = Long.MIN_VALUE;
        int hottestIndex = 0;
        int migDevices = 0;
        int inUse = 0;
        for (int place = 0; place < count(); place++) {
            Gpu gpu = snapshot.gpus().get(place);
            GpuSample sample = gpu.sample();
            used += number(sample, Quantity.MEMORY_USED_BYTES);
            total += number(sample, Quantity.MEMORY_TOTAL_BYTES);
            milliwatts += number(sample, Quantity.POWER_MILLIWATTS);
            if (sample.has(Quantity.GPU_TEMPERATURE_CELSIUS)
                    && sample.value(Quantity.GPU_TEMPERATURE_CELSIUS) > hottest) {
                hottest = sample.value(Quantity.GPU_TEMPERATURE_CELSIUS);
                hottestIndex = gpu.index();
            }
            migDevices += gpu.migDevices().size();
            inUse += inUse(place, gpu) ? 1 : 0;
        }
        html.raw("<dl class=\"tiles\" aria-label=\"The node in numbers\">\n");
        tile(html, "Healthy GPUs", String.valueOf(count() - withheld()), "of " + count());
        tile(html, "Held by pods", String.valueOf(inUse), "of " + count());
        if (migDevices > 0) {
            tile(html, "MIG devices", String.valueOf(migDevices), "");
        }
        if (total > 0) {
            tile(html, "Memory in use", rounded(used / GIBIBYTE), "of " + rounded(total / GIBIBYTE) + " GiB");
        }
        if (milliwatts > 0) {
            tile(html, "Power", String.valueOf((milliwatts + 500) / 1_000), "W");
        }
        if (hottest != Long.MIN_VALUE) {
            tile(html, "Hottest", hottest + " °C", "GPU " + hottestIndex);
        }
        html.raw("</dl>\n");
    }

    private boolean inUse(int place, Gpu gpu) {
        if (!holders.holders(place).isEmpty()) {
            return true;
        }
        for (MigDevice mig : gpu.migDevices()) {
            if (!holders.holders(place, mig.gpuInstanceId()).isEmpty()) {
                return true;
            }
        }
        return false;
    }

    private static void tile(Html html, String name, String value, String unit) {
        html.raw("<div><dt>")
                .raw(name)
                .raw("</dt><dd>")
                .raw(value)
                .raw(" <small>")
                .raw(unit)
                .raw("</small></dd></div>\n");
    }

    void table(Html html) {
        html.raw("<section aria-labelledby=\"gpus\">\n<h2 id=\"gpus\">GPUs</h2>\n");
        if (count() == 0) {
            html.raw(
                            snapshot.open()
                                    ? "<p>NVML is open and lists no GPU.</p>\n"
                                    : "<p>None while NVML is not open.</p>\n")
                    .raw("</section>\n");
            return;
        }
        html.raw(
                "<table class=\"gpus\" role=\"table\" aria-labelledby=\"gpus\">\n<thead role=\"rowgroup\"><tr role=\"row\">");
        for (String name : List.of("GPU", "Health", "Utilisation", "Memory", "Temperature", "Power", "Pods")) {
            html.raw("<th role=\"columnheader\" scope=\"col\">").raw(name).raw("</th>");
        }
        html.raw("</tr></thead>\n");
        for (int place = 0; place < count(); place++) {
            Gpu gpu = snapshot.gpus().get(place);
            html.raw("<tbody role=\"rowgroup\">\n");
            gpu(html, gpu, place);
            for (MigDevice mig : gpu.migDevices()) {
                mig(html, gpu, mig, place);
            }
            html.raw("</tbody>\n");
        }
        html.raw("</table>\n</section>\n");
    }

    private void gpu(Html html, Gpu gpu, int place) {
        html.raw("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\" class=\"whole\">GPU ")
                .raw(gpu.index())
                .raw(" <span class=\"dim\">")
                .text(gpu.name())
                .raw("</span><br><code class=\"dim\">")
                .text(gpu.pci().sysfsName())
                .raw("<br>")
                .text(gpu.id().uuid())
                .raw("</code>");
        layout(html, gpu.migDevices());
        html.raw("</th><td role=\"cell\" data-name=\"Health\">");
        health(html, gpu.healthy(), gpu.health());
        html.raw("</td>");
        utilisation(html, gpu.sample());
        memory(html, gpu.sample());
        plain(html, "Temperature", gpu.sample(), Quantity.GPU_TEMPERATURE_CELSIUS, 1, " °C");
        power(html, gpu.sample());
        pods(html, holders.holders(place), gpu.migDevices().isEmpty() ? "none" : "");
        html.raw("</tr>\n");
        findings(html, gpu);
    }

    /** The MIG devices in a line, such as {@code MIG: 2 × 1g.10gb, 1 × 3g.40gb}. */
    private static void layout(Html html, List<MigDevice> devices) {
        Map<String, Integer> profiles = new LinkedHashMap<>();
        for (MigDevice device : devices) {
            profiles.merge(device.profile(), 1, Integer::sum);
        }
        String separator = "<br><span class=\"dim\">MIG: ";
        for (Map.Entry<String, Integer> profile : profiles.entrySet()) {
            html.raw(separator).raw(profile.getValue()).raw(" × ").text(profile.getKey());
            separator = ", ";
        }
        html.raw(profiles.isEmpty() ? "" : "</span>");
    }

    private void mig(Html html, Gpu gpu, MigDevice mig, int place) {
        html.raw("<tr role=\"row\" class=\"mig\"><th role=\"rowheader\" scope=\"row\" class=\"whole\">")
                .raw(gpu.index())
                .raw(":")
                .raw(mig.index())
                .raw(" ")
                .text(mig.profile())
                .raw(" <code class=\"dim\">")
                .text(mig.id().uuid())
                .raw("</code></th><td role=\"cell\" data-name=\"Health\">");
        health(html, gpu.healthy() && mig.health() instanceof GpuHealth.Healthy, mig.health());
        html.raw("</td>");
        utilisation(html, mig.sample());
        memory(html, mig.sample());
        html.raw("<td role=\"cell\" class=\"none\"></td><td role=\"cell\" class=\"none\"></td>");
        pods(html, holders.holders(place, mig.gpuInstanceId()), "none");
        html.raw("</tr>\n");
        for (Finding finding : mig.health().all()) {
            row(html, finding);
        }
    }

    private static void health(Html html, boolean healthy, GpuHealth health) {
        boolean remarks = !health.all().isEmpty();
        if (!healthy) {
            StatusPage.badge(html, Tone.BAD, "withheld");
        } else if (remarks) {
            StatusPage.badge(html, Tone.WARNING, "remarks");
        } else {
            StatusPage.badge(html, Tone.GOOD, "healthy");
        }
    }

    /** What is to be said of a GPU beside its numbers, each in a row of its own. */
    private void findings(Html html, Gpu gpu) {
        for (Finding finding : gpu.health().all()) {
            row(html, finding);
        }
        switch (gpu.lane()) {
            case LaneState.Responsive _ -> html.raw("");
            case LaneState.Unresponsive(String function, Instant since) ->
                note(html, "NVML does not return from " + function + "; no further call is made for this GPU", since);
            case LaneState.Lost(String reason, Instant since) -> note(html, "NVML has lost it: " + reason, since);
        }
        if (gpu.lastXid() instanceof Reading.Value<XidEvent>(XidEvent event)) {
            note(html, "Last XID " + event.xid(), event.at());
        }
    }

    private void row(Html html, Finding finding) {
        html.raw("<tr role=\"row\" class=\"finding\"><td role=\"cell\" colspan=\"")
                .raw(COLUMNS)
                .raw(finding.severity().withholds() ? "\"><p><strong>" : "\"><p class=\"warning\"><strong>")
                .text(finding.reason())
                .raw("</strong>");
        if (!finding.repair().isEmpty()) {
            html.raw(" Next step: ").text(finding.repair());
        }
        html.raw(" <span class=\"dim small\">");
        if (!finding.recovery().isEmpty()) {
            html.raw("Way back: ").text(finding.recovery()).raw(". ");
        }
        since(html, finding.since());
        html.raw("</span></p></td></tr>\n");
    }

    private void note(Html html, String text, Instant since) {
        html.raw("<tr role=\"row\" class=\"finding\"><td role=\"cell\" colspan=\"")
                .raw(COLUMNS)
                .raw("\"><p class=\"warning\">")
                .text(text)
                .raw(" <span class=\"dim small\">");
        since(html, since);
        html.raw("</span></p></td></tr>\n");
    }

    private void since(Html html, Instant since) {
        html.raw("Since ");
        time(html, since);
        html.raw(", for ").raw(length(Duration.between(since, snapshot.takenAt())));
    }

    private static void utilisation(Html html, GpuSample sample) {
        html.raw("<td role=\"cell\" class=\"n\" data-name=\"Utilisation\">");
        if (sample.has(Quantity.GPU_UTILIZATION_PERCENT)) {
            bar(
                    html,
                    sample.value(Quantity.GPU_UTILIZATION_PERCENT),
                    sample.value(Quantity.GPU_UTILIZATION_PERCENT) + " %",
                    100);
        } else if (sample.has(Quantity.GRAPHICS_ENGINE_ACTIVE)
                && Double.isFinite(sample.fraction(Quantity.GRAPHICS_ENGINE_ACTIVE))) {
            long percent = Math.round(sample.fraction(Quantity.GRAPHICS_ENGINE_ACTIVE) * 100);
            bar(html, percent, percent + " %", 100);
        } else {
            absent(
                    html,
                    sample,
                    sample.status(Quantity.GPU_UTILIZATION_PERCENT) == GpuSample.NOT_READ
                            ? Quantity.GRAPHICS_ENGINE_ACTIVE
                            : Quantity.GPU_UTILIZATION_PERCENT);
        }
        html.raw("</td>");
    }

    private static void memory(Html html, GpuSample sample) {
        html.raw("<td role=\"cell\" class=\"n\" data-name=\"Memory\">");
        if (sample.has(Quantity.MEMORY_USED_BYTES)) {
            long used = sample.value(Quantity.MEMORY_USED_BYTES);
            String text = String.valueOf(used / MEBIBYTE);
            long total = number(sample, Quantity.MEMORY_TOTAL_BYTES);
            if (total > 0) {
                bar(html, used * 100 / total, text + " / " + total / MEBIBYTE + " MiB", NEARLY_FULL_PERCENT);
            } else {
                html.raw(text).raw(" MiB");
            }
        } else {
            absent(html, sample, Quantity.MEMORY_USED_BYTES);
        }
        html.raw("</td>");
    }

    private static void bar(Html html, long percent, String text, int high) {
        html.raw(text)
                .raw("<meter aria-hidden=\"true\" min=\"0\" max=\"100\" low=\"0\" high=\"")
                .raw(high)
                .raw("\" optimum=\"0\" value=\"")
                .raw(Math.clamp(percent, 0, 100))
                .raw("\"></meter>");
    }

    private static void power(Html html, GpuSample sample) {
        if (sample.has(Quantity.POWER_MILLIWATTS) && sample.has(Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS)) {
            html.raw("<td role=\"cell\" class=\"n\" data-name=\"Power\">")
                    .raw((sample.value(Quantity.POWER_MILLIWATTS) + 500) / 1_000)
                    .raw(" / ")
                    .raw((sample.value(Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS) + 500) / 1_000)
                    .raw(" W</td>");
        } else {
            plain(html, "Power", sample, Quantity.POWER_MILLIWATTS, 1_000, " W");
        }
    }

    private static void plain(Html html, String name, GpuSample sample, Quantity quantity, long divisor, String unit) {
        html.raw("<td role=\"cell\" class=\"n\" data-name=\"").raw(name).raw("\">");
        if (sample.has(quantity)) {
            html.raw((sample.value(quantity) + divisor / 2) / divisor).raw(unit);
        } else {
            absent(html, sample, quantity);
        }
        html.raw("</td>");
    }

    private static void absent(Html html, GpuSample sample, Quantity quantity) {
        html.raw(
                switch (sample.status(quantity)) {
                    case GpuSample.UNSUPPORTED -> "<span class=\"dim\">not offered</span>";
                    case GpuSample.FAILED -> "<span class=\"bad\">failed</span>";
                    default -> "<span class=\"dim\">not read</span>";
                });
    }

    private static void pods(Html html, List<PodUse> uses, String none) {
        if (uses.isEmpty()) {
            html.raw("<td role=\"cell\" class=\"dim none\" data-name=\"Pods\">")
                    .raw(none)
                    .raw("</td>");
            return;
        }
        html.raw("<td role=\"cell\" class=\"whole\" data-name=\"Pods\">");
        String separator = "";
        for (PodUse use : uses) {
            html.raw(separator)
                    .text(use.namespace())
                    .raw("/")
                    .text(use.pod())
                    .raw(" <span class=\"dim\">")
                    .text(use.container())
                    .raw("</span>");
            separator = "<br>";
        }
        html.raw("</td>");
    }

    private static long number(GpuSample sample, Quantity quantity) {
        return sample.has(quantity) ? sample.value(quantity) : 0;
    }

    private static String rounded(double number) {
        return number < 10 ? String.valueOf(Math.round(number * 10) / 10.0) : String.valueOf(Math.round(number));
    }

    /** A moment, to the second, in UTC. */
    static void time(Html html, Instant at) {
        String text = at.truncatedTo(ChronoUnit.SECONDS).toString();
        html.raw("<time datetime=\"")
                .raw(text)
                .raw("\">")
                .raw(text.replace('T', ' ').replace("Z", " UTC"))
                .raw("</time>");
    }

    /** A length of time, as exact as people want it. */
    static String length(Duration length) {
        long seconds = Math.max(0, length.toSeconds());
        if (seconds < 120) {
            return seconds + " s";
        }
        if (seconds < 2 * 3_600) {
            return seconds / 60 + " min";
        }
        return seconds < 2 * 86_400 ? seconds / 3_600 + " h" : seconds / 86_400 + " d";
    }
}
