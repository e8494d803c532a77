package io.gpunode.agent.admin;

import io.gpunode.agent.admin.StatusLine.Tone;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodResourcesPicture;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * {@code /}: the node on one page for people, from a phone to a wall screen: what needs somebody first, then the numbers, the GPUs, and the parts of
 * the agent. Nothing comes from elsewhere; the page renews itself by a script of its own, and without scripts by loading anew.
 */
final class StatusPage implements Page {
    private static final String HEAD = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="robots" content="noindex">
            <noscript><meta http-equiv="refresh" content="10"></noscript>
            <title>""";

    private final AdminState state;

    StatusPage(AdminState state) {
        this.state = state;
    }

    @Override
    public String contentType() {
        return "text/html; charset=utf-8";
    }

    @Override
    public int write(Body body) {
        NodeSnapshot snapshot = state.snapshots().current();
        Optional<PodResourcesPicture> pods = state.pods().current();
        Readiness readiness = Readiness.ask(state.readiness());
        List<StatusLine> lines = lines(readiness, pods);
        DeviceHolders holders = new DeviceHolders(
                snapshot.gpus(), pods.map(PodResourcesPicture::byDevice).orElse(Map.of()));
        StatusGpus gpus = new StatusGpus(snapshot, holders);
        StatusAssets assets = StatusAssets.SHIPPED;
        Html html = new Html(32 * 1024);
        boolean well = readiness.ready() && gpus.withheld() == 0;
        html.raw(HEAD)
                .text(state.node())
                .raw(": ")
                .text(headline(readiness, gpus))
                .raw("</title>\n");
        html.raw("<link id=\"icon\" rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'")
                .raw(" viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%23")
                .raw(well ? "4f8a10" : "c62828")
                .raw("'/%3E%3C/svg%3E\">\n<style>")
                .raw(assets.style())
                .raw("</style>\n</head>\n<body>\n<p id=\"live\" role=\"status\"></p>\n<div id=\"page\">\n");
        header(html, snapshot, readiness);
        html.raw("<main>\n");
        attention(html, snapshot, lines, gpus);
        gpus.tiles(html);
        gpus.table(html);
        node(html, lines);
        html.raw("</main>\n");
        footer(html, snapshot);
        html.raw("</div>\n<script>").raw(assets.script()).raw("</script>\n</body>\n</html>\n");
        body.header("content-security-policy", assets.contentSecurityPolicy());
        body.write(html.toString());
        return 200;
    }

    private static String headline(Readiness readiness, StatusGpus gpus) {
        String ready = readiness.ready() ? "ready" : "not ready";
        return gpus.withheld() == 0 ? ready : ready + ", " + gpus.withheld() + " of " + gpus.count() + " GPUs withheld";
    }

    private void header(Html html, NodeSnapshot snapshot, Readiness readiness) {
        html.raw("<header>\n<h1>").text(state.node());
        badge(html.raw(" "), readiness.ready() ? Tone.GOOD : Tone.BAD, readiness.ready() ? "ready" : "not ready");
        html.raw("</h1>\n<p class=\"dim\">");
        String separator = "";
        for (Map.Entry<String, Integer> product : products(snapshot).entrySet()) {
            html.raw(separator).raw(product.getValue()).raw(" × ").text(product.getKey());
            separator = " · ";
        }
        if (snapshot.nvml() instanceof NvmlState.Open open) {
            html.raw(separator)
                    .raw("driver ")
                    .text(open.driverVersion())
                    .raw(" · NVML ")
                    .text(open.nvmlVersion())
                    .raw(" · CUDA ")
                    .raw(open.cudaDriverVersion() / 1_000)
                    .raw(".")
                    .raw(open.cudaDriverVersion() % 1_000 / 10);
        }
        html.raw("</p>\n</header>\n");
    }

    private static Map<String, Integer> products(NodeSnapshot snapshot) {
        Map<String, Integer> products = new LinkedHashMap<>();
        for (Gpu gpu : snapshot.gpus()) {
            products.merge(gpu.name(), 1, Integer::sum);
        }
        return products;
    }

    /** What needs somebody, each thing once. */
    private static void attention(Html html, NodeSnapshot snapshot, List<StatusLine> lines, StatusGpus gpus) {
        Html items = new Html(1_024);
        for (StatusLine line : lines) {
            if (line.tone() == Tone.BAD) {
                items.raw("<li><strong>")
                        .text(line.subject())
                        .raw(": ")
                        .text(line.state())
                        .raw("</strong>");
                if (!line.text().isEmpty()) {
                    items.raw("<p>").text(line.text()).raw("</p>");
                }
                items.raw("</li>\n");
            }
        }
        for (Finding finding : snapshot.findings()) {
            StatusGpus.item(items, finding.severity().withholds(), "The node", finding, List.of());
        }
        if (snapshot.unidentified() > 0) {
            items.raw("<li><strong>NVML lists ")
                    .raw(snapshot.unidentified())
                    .raw(
                            " more that did not say who they are</strong><p>Nothing of them is shown or offered; <code>/state</code> says ")
                    .raw("under <code>nvmlFaults</code> what they answer.</p></li>\n");
        }
        gpus.withheld(items);
        String all = items.toString();
        if (!all.isEmpty()) {
            html.raw("<section aria-label=\"What needs somebody\">\n<ul class=\"attention\">\n")
                    .raw(all)
                    .raw("</ul>\n</section>\n");
        }
    }

    private List<StatusLine> lines(Readiness readiness, Optional<PodResourcesPicture> pods) {
        List<StatusLine> lines = new ArrayList<>();
        Set<String> told = new HashSet<>();
        for (Readiness.Named named : readiness.conditions()) {
            ReadinessCheck.Condition condition = named.condition();
            told.add(named.name());
            lines.add(new StatusLine(
                    named.name(),
                    condition.ok() ? Tone.GOOD : Tone.BAD,
                    condition.ok() ? "ready" : "not ready",
                    condition.nextStep().isEmpty()
                            ? condition.reason()
                            : condition.reason() + ". Next step: " + condition.nextStep()));
        }
        lines.add(pods(pods));
        for (StateSection section : state.sections()) {
            for (StatusLine line : section(section)) {
                // What readiness already tells is told once.
                if (!told.contains(line.subject())) {
                    lines.add(line);
                }
            }
        }
        lines.add(loops());
        return lines;
    }

    private static List<StatusLine> section(StateSection section) {
        try {
            return section.lines();
        } catch (RuntimeException e) {
            return List.of(new StatusLine(section.name(), Tone.BAD, "not known", "asking failed: " + e));
        }
    }

    private StatusLine pods(Optional<PodResourcesPicture> pods) {
        if (pods.isEmpty()) {
            return new StatusLine(
                    "Pods",
                    Tone.WARNING,
                    "not known",
                    "The kubelet has not said yet which container holds which device.");
        }
        PodResourcesPicture picture = pods.get();
        String age = StatusGpus.length(state.clock().now().since(picture.readAt()));
        String held = "Devices held by containers: " + picture.byDevice().size() + ", as of " + age + " ago.";
        return picture.error().isEmpty()
                ? new StatusLine("Pods", Tone.GOOD, "known", held)
                : new StatusLine("Pods", Tone.WARNING, "not current", held + " The kubelet: " + picture.error());
    }

    private StatusLine loops() {
        List<String> details = new ArrayList<>();
        String late = "";
        for (Heartbeats.Pulse pulse : state.heartbeats().read()) {
            details.add(pulse.name() + ": turned " + StatusGpus.length(pulse.age()) + " ago, may take "
                    + StatusGpus.length(pulse.bound()));
            if (!pulse.ok()) {
                late += (late.isEmpty() ? "" : ", ") + pulse.name();
            }
        }
        return late.isEmpty()
                ? new StatusLine(
                        "Loops",
                        Tone.GOOD,
                        "turning",
                        "All loops of the agent turn in time.",
                        "when each last turned",
                        details)
                : new StatusLine(
                        "Loops",
                        Tone.BAD,
                        "late",
                        "Late: " + late + ". systemd restarts an agent that stays so: journalctl -u gpu-node-agent",
                        "when each last turned",
                        details);
    }

    private static void node(Html html, List<StatusLine> lines) {
        html.raw("<section aria-labelledby=\"node\">\n<h2 id=\"node\">Node services</h2>\n")
                .raw("<table class=\"node\" role=\"table\" aria-labelledby=\"node\">\n<tbody role=\"rowgroup\">\n");
        for (StatusLine line : lines) {
            html.raw("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">")
                    .text(line.subject())
                    .raw("</th><td role=\"cell\">");
            badge(html, line.tone(), line.state());
            html.raw("</td><td role=\"cell\">").text(line.text());
            if (!line.details().isEmpty()) {
                html.raw("<details><summary>").text(line.fold()).raw("</summary><ul>");
                for (String detail : line.details()) {
                    html.raw("<li>").text(detail).raw("</li>");
                }
                html.raw("</ul></details>");
            }
            html.raw("</td></tr>\n");
        }
        html.raw("</tbody>\n</table>\n</section>\n");
    }

    private void footer(Html html, NodeSnapshot snapshot) {
        html.raw("<footer>gpu-node-agent ")
                .text(state.version())
                .raw(" · picture ")
                .raw(snapshot.version())
                .raw(" of ");
        StatusGpus.time(html, snapshot.takenAt());
        html.raw(" · <a href=\"/metrics\">metrics</a> · <a href=\"/state\">state</a> · <a href=\"/readyz\">readyz</a>")
                .raw(" · <a href=\"/healthz\">healthz</a></footer>\n");
    }

    /** A state in a word, told apart by more than its colour. */
    static void badge(Html html, Tone tone, String word) {
        html.raw("<span class=\"badge ").raw(tone.cssClass()).raw("\">");
        switch (tone) {
            case GOOD -> html.raw("<span aria-hidden=\"true\">✓ </span>");
            case WARNING -> html.raw("<span aria-hidden=\"true\">! </span>");
            case BAD -> html.raw("<span aria-hidden=\"true\">✕ </span>");
            case NEUTRAL -> html.raw("");
        }
        html.text(word).raw("</span>");
    }
}
