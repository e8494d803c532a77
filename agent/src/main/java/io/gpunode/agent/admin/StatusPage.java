package io.gpunode.agent.admin;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import java.util.List;
import java.util.Map;

/** {@code /}: the node on one page for people, from a phone to a wall screen. Plain HTML without scripts or anything from elsewhere. */
final class StatusPage implements Page {
    private static final String HEAD = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="refresh" content="5">
            <title>""";

    private static final String STYLE = """
            </title>
            <style>
            :root { color-scheme: light dark; --line: #8884; --bad: #c22; --good: #282; --dim: #777; }
            @media (prefers-color-scheme: dark) { :root { --bad: #f77; --good: #7c7; --dim: #999; } }
            body { font: 15px/1.45 system-ui, sans-serif; margin: 1rem auto; max-width: 75rem; padding: 0 1rem; }
            h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; }
            table { border-collapse: collapse; width: 100%; }
            th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
            th { font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
            .scroll { overflow-x: auto; } .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); }
            .dim { color: var(--dim); } code { font-size: .9em; }
            @media (max-width: 40rem) { td.wide, th.wide { display: none; } }
            </style>
            </head>
            <body>
            """;

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
        Readiness readiness = Readiness.ask(state.readiness());
        StringBuilder html = new StringBuilder(8 * 1024);
        html.append(HEAD)
                .append(escape(state.node()))
                .append(" – gpu-node-agent")
                .append(STYLE);
        html.append("<h1>")
                .append(escape(state.node()))
                .append(readiness.ready() ? " <span class=good>ready</span>" : " <span class=bad>not ready</span>")
                .append("</h1>\n");
        nvml(html, snapshot.nvml());
        conditions(html, readiness);
        gpus(html, snapshot);
        html.append("<p class=dim>gpu-node-agent ")
                .append(escape(state.version()))
                .append(" · picture ")
                .append(snapshot.version())
                .append(" of ")
                .append(snapshot.takenAt())
                .append(" · <a href=\"/metrics\">metrics</a> · <a href=\"/state\">state</a> ·")
                .append(" <a href=\"/readyz\">readyz</a> · <a href=\"/healthz\">healthz</a></p>\n</body>\n</html>\n");
        body.write(html.toString());
        return 200;
    }

    private static void nvml(StringBuilder html, NvmlState nvml) {
        html.append("<p>");
        switch (nvml) {
            case NvmlState.Open open ->
                html.append("Driver ")
                        .append(escape(open.driverVersion()))
                        .append(", NVML ")
                        .append(escape(open.nvmlVersion()))
                        .append(" <span class=dim>")
                        .append(escape(open.libraryPath()))
                        .append("</span>");
            case NvmlState.Waiting waiting ->
                html.append("<span class=bad>Waiting: ")
                        .append(escape(waiting.reason()))
                        .append("</span> <span class=dim>")
                        .append(escape(waiting.nextStep()))
                        .append("</span>");
            case NvmlState.Withdrawn withdrawn ->
                html.append("<span class=bad>Withdrawn: ")
                        .append(escape(withdrawn.reason()))
                        .append("</span>");
        }
        html.append("</p>\n");
    }

    private static void conditions(StringBuilder html, Readiness readiness) {
        html.append("<table>\n");
        for (Readiness.Named named : readiness.conditions()) {
            html.append("<tr><th>")
                    .append(escape(named.name()))
                    .append(named.condition().ok() ? "</th><td class=good>yes" : "</th><td class=bad>no")
                    .append("</td><td>")
                    .append(escape(named.condition().reason()));
            if (!named.condition().nextStep().isEmpty()) {
                html.append("<br><span class=dim>")
                        .append(escape(named.condition().nextStep()))
                        .append("</span>");
            }
            html.append("</td></tr>\n");
        }
        html.append("</table>\n");
    }

    private void gpus(StringBuilder html, NodeSnapshot snapshot) {
        html.append("<h2>GPUs</h2>\n");
        for (Finding finding : snapshot.findings()) {
            html.append("<p>");
            finding(html, finding);
            html.append("</p>\n");
        }
        if (snapshot.gpus().isEmpty()) {
            html.append("<p class=dim>none in the picture</p>\n");
            return;
        }
        DeviceHolders holders = new DeviceHolders(
                snapshot.gpus(),
                state.pods().current().map(PodResourcesPicture::byDevice).orElse(Map.of()));
        html.append("<div class=scroll><table>\n<tr><th>GPU</th><th>Health</th><th class=n>Used</th>")
                .append("<th class=n>Memory</th><th class=n>Temp.</th><th class=n>Power</th>")
                .append("<th>Pods</th><th class=wide>Name</th><th class=wide>PCI</th></tr>\n");
        for (int place = 0; place < snapshot.gpus().size(); place++) {
            Gpu gpu = snapshot.gpus().get(place);
            row(
                    html,
                    String.valueOf(gpu.index()),
                    health(gpu),
                    gpu.sample(),
                    holders.holders(place),
                    gpu.name(),
                    gpu.pci().sysfsName());
            for (MigDevice mig : gpu.migDevices()) {
                row(
                        html,
                        gpu.index() + ":" + mig.index(),
                        gpu.healthy()
                                ? health(mig.health() instanceof GpuHealth.Healthy, mig.health())
                                : "<span class=bad>as its GPU</span>",
                        mig.sample(),
                        holders.holders(place, mig.gpuInstanceId()),
                        mig.profile(),
                        "");
            }
        }
        html.append("</table></div>\n");
    }

    private static void row(
            StringBuilder html,
            String index,
            String health,
            GpuSample sample,
            List<PodUse> holders,
            String name,
            String pci) {
        html.append("<tr><td>").append(index).append("</td><td>").append(health).append("</td>");
        number(html, sample, Quantity.GPU_UTILIZATION_PERCENT, 1, " %");
        memory(html, sample);
        number(html, sample, Quantity.GPU_TEMPERATURE_CELSIUS, 1, " °C");
        number(html, sample, Quantity.POWER_MILLIWATTS, 1_000, " W");
        html.append("<td>");
        for (PodUse use : holders) {
            html.append(escape(use.namespace() + "/" + use.pod()))
                    .append(" <span class=dim>")
                    .append(escape(use.container()))
                    .append("</span><br>");
        }
        html.append("</td><td class=wide>")
                .append(escape(name))
                .append("</td><td class=wide><code>")
                .append(escape(pci))
                .append("</code></td></tr>\n");
    }

    private static String health(Gpu gpu) {
        StringBuilder html = new StringBuilder(health(gpu.healthy(), gpu.health()));
        if (gpu.lane() instanceof LaneState.Unresponsive unresponsive) {
            html.append("<br>does not answer ").append(escape(unresponsive.function()));
        }
        return html.toString();
    }

    private static String health(boolean healthy, GpuHealth health) {
        StringBuilder html =
                new StringBuilder(healthy ? "<span class=good>healthy</span>" : "<span class=bad>unhealthy</span>");
        for (Finding finding : health.all()) {
            html.append("<br>");
            finding(html, finding);
        }
        return html.toString();
    }

    private static void finding(StringBuilder html, Finding finding) {
        html.append(escape(finding.reason()))
                .append(" <span class=dim>")
                .append(escape(finding.repair()))
                .append("</span>");
    }

    private static void number(StringBuilder html, GpuSample sample, Quantity quantity, long divisor, String unit) {
        html.append("<td class=n>");
        if (sample.has(quantity)) {
            html.append(sample.value(quantity) / divisor).append(unit);
        } else {
            html.append(absent(sample, quantity));
        }
        html.append("</td>");
    }

    private static void memory(StringBuilder html, GpuSample sample) {
        html.append("<td class=n>");
        if (sample.has(Quantity.MEMORY_USED_BYTES)) {
            html.append(sample.value(Quantity.MEMORY_USED_BYTES) >> 20);
            if (sample.has(Quantity.MEMORY_TOTAL_BYTES)) {
                html.append(" / ").append(sample.value(Quantity.MEMORY_TOTAL_BYTES) >> 20);
            }
            html.append(" MiB");
        } else {
            html.append(absent(sample, Quantity.MEMORY_USED_BYTES));
        }
        html.append("</td>");
    }

    private static String absent(GpuSample sample, Quantity quantity) {
        return switch (sample.status(quantity)) {
            case GpuSample.UNSUPPORTED -> "<span class=dim>n/a</span>";
            case GpuSample.FAILED -> "<span class=bad>failed</span>";
            default -> "<span class=dim>not read</span>";
        };
    }

    /** Makes any text harmless in an element and in a quoted attribute; control characters become U+FFFD. */
    static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.append(Character.isISOControl(c) ? '\uFFFD' : c);
            }
        }
        return escaped.toString();
    }
}
