package io.gpunode.agent.cli;

import io.gpunode.agent.json.JsonValue;
import java.util.ArrayList;
import java.util.List;

/**
 * The agent's state in words. Reads {@code /state} by member names and leaves out what is not there, so that an older command can show the
 * state of a newer agent and the other way round.
 */
final class StateText {
    private static final String NOTHING = "-";

    private StateText() {}

    /** Whether the agent says that it is ready. */
    static boolean ready(JsonValue state) {
        return state.member("ready").isTrue();
    }

    /** Everything that {@code status} shows. */
    static String status(JsonValue state) {
        StringBuilder out = new StringBuilder();
        line(out, "Node", text(state, "node") + (ready(state) ? ", ready" : ", NOT READY"));
        line(out, "Agent", text(state, "version"));
        driver(out, state.member("nvml"));
        managed(out, state.member("driver"));
        for (JsonValue condition : state.member("readiness").elements()) {
            String reason = condition.member("reason").textOr("");
            String nextStep = condition.member("nextStep").textOr("");
            line(
                    out,
                    condition.member("name").textOr(NOTHING),
                    (condition.member("ok").isTrue() ? "yes" : "NO") + (reason.isEmpty() ? "" : ": " + reason));
            if (!nextStep.isEmpty()) {
                line(out, "", "next step: " + nextStep);
            }
        }
        for (JsonValue loop : state.member("loops").elements()) {
            if (!loop.member("ok").isTrue()) {
                line(out, "Loop", text(loop, "name") + " has not turned for " + text(loop, "ageMillis") + " ms");
            }
        }
        String podsError = state.member("pods").member("error").textOr("");
        if (!podsError.isEmpty()) {
            line(out, "Pods", podsError);
        }
        configuration(out, state.member("configuration"));
        JsonValue web = state.member("http").member("webConfig");
        for (JsonValue problem : web.member("refused").elements()) {
            line(out, "HTTP", "NOT USED: " + problem.textOr(""));
        }
        for (JsonValue notice : web.member("notices").elements()) {
            line(out, "HTTP", notice.textOr(""));
        }
        JsonValue labels = state.member("labels");
        if (labels.member("state").textOr("").equals("failed")) {
            line(out, "Labels", "NOT WRITTEN: " + labels.member("reason").textOr(""));
        }
        JsonValue mig = state.member("mig");
        String migState = mig.member("state").textOr("");
        if (migState.equals("failed") || migState.equals("pending")) {
            line(
                    out,
                    "MIG",
                    "layout " + text(mig, "layout") + " is " + migState + ": "
                            + mig.member("reason").textOr(""));
        }
        findings(out, "Node", state);
        int healthy = 0;
        List<JsonValue> gpus = state.member("gpus").elements();
        for (JsonValue gpu : gpus) {
            healthy += gpu.member("healthy").isTrue() ? 1 : 0;
        }
        line(out, "GPUs", gpus.size() + (gpus.isEmpty() ? "" : ", " + healthy + " healthy"));
        resources(out, state.member("devicePlugin"));
        if (!gpus.isEmpty()) {
            out.append('\n').append(gpus(state));
        }
        return out.toString();
    }

    private static void configuration(StringBuilder out, JsonValue configuration) {
        String named = configuration.member("named").textOr("");
        if (!named.isEmpty()) {
            line(out, "Config", named);
        }
        for (JsonValue problem : configuration.member("refused").elements()) {
            line(out, "Config", "NOT USED: " + problem.textOr(""));
        }
        for (JsonValue change : configuration.member("needRestart").elements()) {
            line(
                    out,
                    "Config",
                    text(change, "setting") + " is read as \""
                            + change.member("read").textOr("") + "\" and waits for a restart");
        }
    }

    /** What the kubelet is offered, and what is left out of it. */
    private static void resources(StringBuilder out, JsonValue plugin) {
        for (JsonValue resource : plugin.member("resources").elements()) {
            line(
                    out,
                    "Resource",
                    text(resource, "resource") + ": " + text(resource, "healthyDevices") + " of "
                            + text(resource, "devices") + " healthy, " + text(resource, "state"));
        }
        for (JsonValue problem : plugin.member("problems").elements()) {
            line(out, "Problem", problem.textOr(""));
        }
    }

    /** The table of GPUs, and below it the findings. */
    static String gpus(JsonValue state) {
        List<JsonValue> gpus = state.member("gpus").elements();
        if (gpus.isEmpty()) {
            return "no GPUs: "
                    + Text.printable(state.member("nvml").member("reason").textOr("NVML lists none")) + "\n";
        }
        Text.Table table = new Text.Table("GPU", "PCI ADDRESS", "UUID", "NAME", "HEALTH", "PODS");
        StringBuilder findings = new StringBuilder();
        for (JsonValue gpu : gpus) {
            table.row(text(gpu, "index"), text(gpu, "pci"), text(gpu, "id"), text(gpu, "name"), health(gpu), pods(gpu));
            for (JsonValue mig : gpu.member("migDevices").elements()) {
                table.row(
                        text(mig, "index"), "", text(mig, "id"), "MIG " + text(mig, "profile"), health(mig), pods(mig));
                findings(findings, "MIG " + text(mig, "index"), mig);
            }
            findings(findings, "GPU " + text(gpu, "index"), gpu);
        }
        return findings.isEmpty() ? table.toString() : table + "\n" + findings;
    }

    private static void driver(StringBuilder out, JsonValue nvml) {
        String state = text(nvml, "state");
        if (state.equals("open")) {
            line(out, "Driver", text(nvml, "driverVersion") + ", NVML " + text(nvml, "nvmlVersion"));
            line(out, "Library", text(nvml, "libraryPath"));
            return;
        }
        line(out, "Driver", state + ": " + text(nvml, "reason"));
        if (!nvml.member("nextStep").absent()) {
            line(out, "", "next step: " + text(nvml, "nextStep"));
        }
    }

    /** How the driver stands towards what the configuration wants, where the agent keeps it. */
    private static void managed(StringBuilder out, JsonValue driver) {
        String state = driver.member("state").textOr("off");
        if (state.equals("off")) {
            return;
        }
        String running = driver.member("running").textOr("");
        String wanted = driver.member("wanted").textOr("");
        String drivers = running.isEmpty() ? "not looked at yet" : running + " runs";
        line(
                out,
                "Managed",
                state + ": " + drivers
                        + (wanted.isEmpty() || wanted.equals(running) ? "" : ", " + wanted + " is wanted"));
        String step = driver.member("step").textOr("");
        if (!step.isEmpty()) {
            line(out, "", "now: " + step);
        }
        String reason = driver.member("reason").textOr("");
        for (JsonValue difference : driver.member("differences").elements()) {
            if (!reason.contains(difference.textOr(""))) {
                line(out, "", difference.textOr(""));
            }
        }
        if (!reason.isEmpty()) {
            line(out, "", reason);
        }
    }

    private static String health(JsonValue gpu) {
        if (!gpu.member("healthy").isTrue()) {
            return "UNHEALTHY";
        }
        return gpu.member("findings").elements().isEmpty() ? "healthy" : "healthy, see below";
    }

    private static String pods(JsonValue gpu) {
        List<String> pods = new ArrayList<>();
        for (JsonValue pod : gpu.member("pods").elements()) {
            pods.add(text(pod, "namespace") + "/" + text(pod, "pod") + "/" + text(pod, "container"));
        }
        return pods.isEmpty() ? NOTHING : String.join(" ", pods);
    }

    private static void findings(StringBuilder out, String of, JsonValue from) {
        for (JsonValue finding : from.member("findings").elements()) {
            line(out, of, text(finding, "reason"));
            part(out, "since", finding, "since");
            part(out, "repair", finding, "repair");
            part(out, "recovers", finding, "recovery");
        }
    }

    private static void part(StringBuilder out, String title, JsonValue from, String member) {
        String text = from.member(member).textOr("");
        if (!text.isEmpty()) {
            line(out, "", title + ": " + text);
        }
    }

    private static String text(JsonValue from, String member) {
        return from.member(member).textOr(NOTHING);
    }

    private static void line(StringBuilder out, String title, String text) {
        out.append(title)
                .repeat(' ', Math.max(1, 12 - title.length()))
                .append(Text.printable(text))
                .append('\n');
    }
}
