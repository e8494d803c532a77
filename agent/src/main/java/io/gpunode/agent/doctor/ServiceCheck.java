package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ServiceProfile;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.SystemdVersion;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Whether systemd lets the service do what its configuration asks for, and goes on starting it. */
final class ServiceCheck implements Check {
    private static final String UNIT = "gpu-node-agent.service";
    private static final Path RELEASE = Path.of("/proc/sys/kernel/osrelease");
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final int OUTPUT_LIMIT = 64 << 10;
    private static final String[] DROP_IN = {
        "gpu-node-agent config systemd > /etc/systemd/system/gpu-node-agent.service.d/50-profile.conf",
        "systemctl daemon-reload && systemctl restart gpu-node-agent"
    };

    @Override
    public String name() {
        return "service";
    }

    @Override
    public String wanted(Patient patient) {
        return "a unit whose profile fits the configuration";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        if (!SystemdVersion.booted(patient.files())) {
            return List.of();
        }
        Map<String, String> unit = unit(patient);
        if (!"loaded".equals(unit.get("LoadState"))) {
            return List.of();
        }
        List<Diagnosis> found = new ArrayList<>();
        if ("start-limit-hit".equals(unit.get("Result"))) {
            found.add(Diagnosis.problem(
                    name(),
                    "the agent has failed so often that systemd no longer starts it",
                    "journalctl -u gpu-node-agent -e -p err",
                    "systemctl reset-failed gpu-node-agent && systemctl start gpu-node-agent"));
        }
        if ("yes".equals(unit.get("NeedDaemonReload"))) {
            found.add(Diagnosis.note(
                    name(),
                    "the unit's files have changed since systemd read them",
                    "systemctl daemon-reload && systemctl restart gpu-node-agent"));
        }
        profile(patient, unit, found);
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(name(), unit.getOrDefault("ActiveState", "?")));
        }
        return found;
    }

    private void profile(Patient patient, Map<String, String> unit, List<Diagnosis> found) throws IOException {
        AgentConfig config = patient.config();
        Optional<Release> kernel =
                Release.in(patient.files().readText(RELEASE, 256).orElse(""));
        List<String> allowed = List.of(unit.getOrDefault("CapabilityBoundingSet", "")
                .toUpperCase(Locale.ROOT)
                .split(" ", -1));
        List<String> missing = new ArrayList<>(ServiceProfile.capabilities(
                config,
                new ServiceProfile.Machine(
                        0,
                        kernel.map(Release::major).orElse(Integer.MAX_VALUE),
                        kernel.map(Release::minor).orElse(0))));
        missing.removeAll(allowed);
        boolean confined = config.driver().manage()
                && !unit.getOrDefault("ProtectSystem", "no").equals("no");
        if (!missing.isEmpty() || confined) {
            found.add(Diagnosis.problem(
                    name(),
                    "the unit does not allow what the configuration asks for"
                            + (missing.isEmpty() ? "" : ": " + String.join(", ", missing) + " missing")
                            + (confined ? ": driver.manage is on, and its mounts stay inside of the service" : ""),
                    DROP_IN));
        }
    }

    /** What systemd makes of the unit and its drop-ins. */
    private static Map<String, String> unit(Patient patient) throws IOException, InterruptedException {
        CommandRunner.Result result = patient.commands()
                .run(
                        List.of(
                                "systemctl",
                                "show",
                                UNIT,
                                "--property=LoadState,ActiveState,Result,NeedDaemonReload,CapabilityBoundingSet,ProtectSystem"),
                        LIMIT,
                        OUTPUT_LIMIT);
        Map<String, String> properties = new HashMap<>();
        for (String line : result.output().split("\n", -1)) {
            int equals = line.indexOf('=');
            if (equals > 0) {
                properties.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        return properties;
    }
}
