package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.gpu.GpuEvents;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Folds what checks see and what the driver reports into a verdict, and says when a finding begins to count and when it is over. Pure. The
 * rules are told to operators in {@code docs/health.md}.
 */
final class HealthPolicy {
    private final XidRules xids;
    private final Set<String> ignoredChecks;
    private final Duration recoveryInterval;

    HealthPolicy(AgentConfig.Health config) {
        this.xids = new XidRules(config);
        this.ignoredChecks = config.ignoredChecks();
        this.recoveryInterval = config.recoveryInterval();
    }

    /**
     * Takes in a picture of the GPU.
     *
     * @param newReading whether its sample is another one than in the last picture
     */
    Evidence observe(Evidence before, Observation seen, boolean newReading, Instant wallNow, Tick now) {
        boolean responsive = seen.gpu().lane() instanceof LaneState.Responsive;
        Evidence after =
                before.at(seen.gpu().pci()).answering(responsive, responsive && newReading ? now : before.lastAnswer());
        List<Symptom> symptoms = new ArrayList<>(0);
        for (Check check : Checks.ALL) {
            check.look(seen, symptoms::add);
        }
        if (!symptoms.isEmpty() || !before.standings().isEmpty()) {
            after = after.withStandings(standings(after, seen, symptoms, newReading, wallNow, now));
        }
        return withoutWhatIsOver(located(after, seen.gpu().migDevices()), now);
    }

    private List<Standing> standings(
            Evidence evidence,
            Observation seen,
            List<Symptom> symptoms,
            boolean newReading,
            Instant wallNow,
            Tick now) {
        List<Standing> next =
                new ArrayList<>(symptoms.size() + evidence.standings().size());
        for (Symptom symptom : symptoms) {
            Standing known = find(evidence.standings(), symptom);
            if (known == null) {
                next.add(Standing.first(symptom, wallNow, now));
            } else if (known.goneSince() == null) {
                next.add(known.seen(symptom, newReading, now));
            } else {
                next.add(known.back(symptom, wallNow, now));
            }
        }
        for (Standing standing : evidence.standings()) {
            if (symptoms.stream().noneMatch(standing::isOf)) {
                Standing left = unseen(standing, evidence, seen, newReading, now);
                if (left != null) {
                    next.add(left);
                }
            }
        }
        return next;
    }

    private static @Nullable Standing find(List<Standing> standings, Symptom symptom) {
        for (Standing standing : standings) {
            if (standing.isOf(symptom)) {
                return standing;
            }
        }
        return null;
    }

    /** What is left of a standing whose symptom is not there any more; null for nothing. */
    private @Nullable Standing unseen(
            Standing standing, Evidence evidence, Observation seen, boolean newReading, Tick now) {
        if (standing.goneSince() != null) {
            return now.since(standing.goneSince()).compareTo(recoveryInterval) < 0 ? standing : null;
        }
        if (unread(standing.symptom(), evidence, seen.sample(), newReading)) {
            return standing;
        }
        if (!standing.counts()) {
            return null;
        }
        boolean waits = standing.symptom().quiet() || standing.flapping();
        if (waits && !(quiet(standing.lastSeen(), now) && answeredSince(standing.lastSeen(), evidence))) {
            return standing;
        }
        return standing.symptom().severity().withholds() ? standing.gone(now) : null;
    }

    /** Whether there is nothing new to judge by: what was seen stands. */
    private static boolean unread(Symptom symptom, Evidence evidence, GpuSample sample, boolean newReading) {
        Set<Quantity> reads = symptom.reads();
        if (reads.isEmpty()) {
            return false;
        }
        if (!newReading || !evidence.responsive()) {
            return true;
        }
        for (Quantity quantity : reads) {
            if (sample.status(quantity) == GpuSample.FAILED) {
                return true;
            }
        }
        return false;
    }

    /** With the MIG devices that incidents are about, and without incidents about devices that are gone. */
    private static Evidence located(Evidence evidence, List<MigDevice> layout) {
        boolean any = false;
        for (Incident incident : evidence.incidents()) {
            any |= incident.report().gpuInstance().isPresent();
        }
        if (!any || !evidence.responsive()) {
            return evidence;
        }
        List<Incident> next = new ArrayList<>();
        for (Incident incident : evidence.incidents()) {
            if (incident.report().gpuInstance().isEmpty()) {
                next.add(incident);
            } else if (incident.migDevices().isEmpty()) {
                next.add(incident.about(devices(incident.report(), layout)));
            } else {
                List<GpuId> left = incident.migDevices().stream()
                        .filter(id -> layout.stream().anyMatch(mig -> mig.id().equals(id)))
                        .toList();
                if (!left.isEmpty()) {
                    next.add(incident.about(left));
                }
            }
        }
        return evidence.withIncidents(next);
    }

    /** The MIG devices that a report is about: one, or all of a GPU instance; none when it is about the GPU or the layout has none. */
    static List<GpuId> devices(DriverReport report, List<MigDevice> layout) {
        OptionalInt gpuInstance = report.gpuInstance();
        OptionalInt computeInstance = report.computeInstance();
        List<GpuId> found = new ArrayList<>(1);
        for (MigDevice mig : layout) {
            if (gpuInstance.isPresent()
                    && mig.gpuInstanceId() == gpuInstance.getAsInt()
                    && (computeInstance.isEmpty() || mig.computeInstanceId() == computeInstance.getAsInt())) {
                found.add(mig.id());
            }
        }
        return found;
    }

    /**
     * The evidence without the incidents that are over: the recovery interval has passed since the last report of any fatal one about the same
     * part of the GPU, the GPU has answered since, answers now, and NVML asks for no repair. A remark is over when the interval has passed since
     * its own last report.
     */
    Evidence withoutWhatIsOver(Evidence evidence, Tick now) {
        if (evidence.incidents().isEmpty()) {
            return evidence;
        }
        boolean answers = evidence.responsive() && !needsRepair(evidence);
        List<Incident> left = new ArrayList<>();
        for (Incident incident : evidence.incidents()) {
            boolean over = withholds(incident)
                    ? answers && allQuiet(incident.report(), evidence, now)
                    : quiet(incident.last(), now);
            if (!over) {
                left.add(incident);
            }
        }
        return left.size() == evidence.incidents().size() ? evidence : evidence.withIncidents(left);
    }

    private boolean allQuiet(DriverReport report, Evidence evidence, Tick now) {
        for (Incident incident : evidence.incidents()) {
            if (incident.report().sameScope(report)
                    && withholds(incident)
                    && !(quiet(incident.last(), now) && answeredSince(incident.last(), evidence))) {
                return false;
            }
        }
        return true;
    }

    private boolean quiet(Tick last, Tick now) {
        return now.since(last).compareTo(recoveryInterval) >= 0;
    }

    private static boolean answeredSince(Tick last, Evidence evidence) {
        return evidence.lastAnswer().since(last).compareTo(Duration.ZERO) > 0;
    }

    private static boolean needsRepair(Evidence evidence) {
        for (Standing standing : evidence.standings()) {
            if (standing.counts()
                    && standing.symptom().check().equals(RecoveryActionCheck.NAME)
                    && standing.symptom().severity().withholds()) {
                return true;
            }
        }
        return false;
    }

    /** How grave a report is, for what is kept of a flood: passed over, a remark, fatal. */
    int weight(DriverReport report) {
        Severity severity = severity(report);
        return severity == null ? 0 : severity.withholds() ? 2 : 1;
    }

    private boolean withholds(Incident incident) {
        Severity severity = severity(incident.report());
        return severity != null && severity.withholds();
    }

    /** What follows from a report; null for one that is passed over. */
    @Nullable Severity severity(DriverReport report) {
        if (report.kind() == GpuEvents.Kind.XID) {
            return xids.severity(report.xid(), report.fatal());
        }
        Severity severity = EventTable.row(report.kind()).severity();
        return ignoredChecks.contains(Checks.EVENT) ? Severity.REMARK : severity;
    }

    /** The verdict. */
    HealthVerdict fold(GpuId gpu, Evidence evidence) {
        List<Finding> own = new ArrayList<>(0);
        for (Standing standing : evidence.standings()) {
            if (standing.counts()) {
                own.add(finding(standing, evidence.pci()));
            }
        }
        Map<GpuId, List<Finding>> ofDevices = new HashMap<>();
        for (Incident incident : evidence.incidents()) {
            Severity severity = severity(incident.report());
            if (severity == null) {
                continue;
            }
            // What takes the whole node is not contained in an instance of the GPU.
            boolean ofInstance = incident.report().gpuInstance().isPresent() && severity != Severity.NODE;
            if (!ofInstance) {
                own.add(finding(incident, severity, evidence.pci(), ""));
            } else if (incident.migDevices().isEmpty()) {
                own.add(finding(incident, Severity.REMARK, evidence.pci(), unknownInstance(incident.report())));
            } else {
                Finding finding = finding(incident, severity, evidence.pci(), "");
                incident.migDevices()
                        .forEach(id -> ofDevices
                                .computeIfAbsent(id, _ -> new ArrayList<>(1))
                                .add(finding));
            }
        }
        if (own.isEmpty() && ofDevices.isEmpty()) {
            return HealthVerdict.clean(gpu);
        }
        Map<GpuId, GpuHealth> devices = new HashMap<>();
        ofDevices.forEach((id, findings) -> devices.put(id, health(findings)));
        return new HealthVerdict(gpu, health(own), devices);
    }

    private static String unknownInstance(DriverReport report) {
        return ", of MIG instance " + report.gpuInstance().orElse(-1)
                + (report.computeInstance().isPresent()
                        ? "/" + report.computeInstance().getAsInt()
                        : "")
                + ", which is not there";
    }

    private static GpuHealth health(List<Finding> findings) {
        if (findings.isEmpty()) {
            return GpuHealth.Healthy.CLEAN;
        }
        for (Finding finding : findings) {
            if (finding.severity().withholds()) {
                return new GpuHealth.Unhealthy(findings);
            }
        }
        return new GpuHealth.Healthy(findings);
    }

    private Finding finding(Standing standing, PciAddress pci) {
        Symptom symptom = standing.symptom();
        String recovery = standing.flapping()
                ? "by itself, when it has stayed away for " + words(recoveryInterval)
                        + ", since it has come back before"
                : symptom.quiet()
                        ? "by itself, " + words(recoveryInterval) + " after it was seen last"
                        : "by itself, as soon as " + symptom.until();
        return new Finding(
                symptom.check(),
                ignoredChecks.contains(symptom.check()) ? Severity.REMARK : symptom.severity(),
                symptom.reason(),
                symptom.repair().describe(pci),
                recovery,
                standing.first());
    }

    private Finding finding(Incident incident, Severity severity, PciAddress pci, String detail) {
        boolean xid = incident.report().kind() == GpuEvents.Kind.XID;
        String reason;
        Repair repair;
        if (xid) {
            XidTable.Row row = XidTable.row(incident.report().xid());
            reason = "XID " + row.number() + ": " + row.meaning()
                    + (incident.report().fatal() ? ", which the driver calls fatal" : "");
            repair = row.repair();
        } else {
            EventTable.Row row = EventTable.row(incident.report().kind());
            reason = row.meaning();
            repair = row.repair();
        }
        return new Finding(
                xid ? Checks.XID : Checks.EVENT,
                severity,
                reason + detail + times(incident.count()),
                repair.describe(pci),
                severity.withholds()
                        ? "by itself, when no such error has come for " + words(recoveryInterval)
                                + " and the GPU answers and the driver asks for no repair"
                        : "by itself, when it has not come again for " + words(recoveryInterval),
                incident.first());
    }

    /** Rough from ten on: words that change with every one of a flood would publish every one of them. */
    static String times(long count) {
        if (count == 1) {
            return "";
        }
        if (count < 10) {
            return " (" + count + " times)";
        }
        long rough = 10;
        while (rough * 10 <= count) {
            rough *= 10;
        }
        return " (" + rough + " times or more)";
    }

    private static String words(Duration duration) {
        return duration.toSeconds() % 60 == 0 && duration.toMinutes() > 0
                ? duration.toMinutes() + " min"
                : duration.toMillis() % 1000 == 0 ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
    }
}
