package io.gpunode.agent.health;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.time.Tick;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/**
 * What is known of one GPU's health; immutable.
 *
 * @param pci where it is
 * @param incidents what the driver reported, one per kind of report, in the order of their first
 * @param standings what checks see, or have seen lately
 * @param responsive whether NVML answers for it
 * @param lastAnswer when it last gave a sample of readings; the time of creation before the first
 */
record Evidence(
        PciAddress pci, List<Incident> incidents, List<Standing> standings, boolean responsive, Tick lastAnswer) {
    /** Kinds of reports of one GPU that are kept apart; more than that are a flood, and the gravest and newest tell enough. */
    private static final int INCIDENT_LIMIT = 32;

    Evidence {
        incidents = List.copyOf(incidents);
        standings = List.copyOf(standings);
    }

    /** Nothing is known against it. */
    static Evidence none(PciAddress pci, Tick now) {
        return new Evidence(pci, List.of(), List.of(), true, now);
    }

    /**
     * With another report.
     *
     * @param weight how grave a report is: what weighs least goes first when there are too many
     */
    Evidence withReport(
            DriverReport told,
            List<GpuId> migDevices,
            Incident.Witness witness,
            ToIntFunction<DriverReport> weight,
            Instant wallNow,
            Tick now) {
        DriverReport report = inTheWordsOfTheLog(told, witness, now);
        List<Incident> next = new ArrayList<>(incidents.size() + 1);
        boolean known = false;
        for (Incident incident : incidents) {
            if (incident.report().equals(report)) {
                known = true;
                next.add(incident.again(witness, now));
            } else if (report.fatal()
                    && incident.report().equals(report.withoutWord())
                    && incident.awaits(witness, now)) {
                // NVML was first, without the word: one of those is this.
                Incident left = incident.withoutOne();
                if (left != null) {
                    next.add(left);
                }
            } else {
                next.add(incident);
            }
        }
        if (!known) {
            next.add(Incident.first(report, migDevices, witness, wallNow, now));
            if (next.size() > INCIDENT_LIMIT) {
                next.remove(leastOf(next, weight));
            }
        }
        return withIncidents(next);
    }

    /** With what was known before the GPU was listed; what is known of it already stays. */
    Evidence with(Incident earlier, ToIntFunction<DriverReport> weight) {
        if (count(earlier.report()) > 0) {
            return this;
        }
        List<Incident> next = new ArrayList<>(incidents);
        next.add(earlier);
        if (next.size() > INCIDENT_LIMIT) {
            next.remove(leastOf(next, weight));
        }
        return withIncidents(next);
    }

    /** Where the oldest of those that weigh least is; a harmless one more than there is room for may be the new one itself. */
    private static int leastOf(List<Incident> incidents, ToIntFunction<DriverReport> weight) {
        int least = 0;
        for (int i = 1; i < incidents.size(); i++) {
            if (weight.applyAsInt(incidents.get(i).report())
                    < weight.applyAsInt(incidents.get(least).report())) {
                least = i;
            }
        }
        return least;
    }

    /** What NVML tells of is the fatal one that the log has just told of. */
    private DriverReport inTheWordsOfTheLog(DriverReport told, Incident.Witness witness, Tick now) {
        for (Incident incident : incidents) {
            if (incident.report().fatal()
                    && incident.report().withoutWord().equals(told)
                    && incident.awaits(witness, now)) {
                return incident.report();
            }
        }
        return told;
    }

    /** How often a number came for a part of the GPU, whatever the driver called it; 0 when it did not. */
    long countInAnyWords(DriverReport report) {
        long count = 0;
        for (Incident incident : incidents) {
            if (incident.report().withoutWord().equals(report.withoutWord())) {
                count += incident.count();
            }
        }
        return count;
    }

    /** How often a report came; 0 when it did not. */
    long count(DriverReport report) {
        for (Incident incident : incidents) {
            if (incident.report().equals(report)) {
                return incident.count();
            }
        }
        return 0;
    }

    Evidence withIncidents(List<Incident> next) {
        return new Evidence(pci, next, standings, responsive, lastAnswer);
    }

    Evidence withStandings(List<Standing> next) {
        return new Evidence(pci, incidents, next, responsive, lastAnswer);
    }

    Evidence at(PciAddress place) {
        return place.equals(pci) ? this : new Evidence(place, incidents, standings, responsive, lastAnswer);
    }

    /** With whether it answers, and when it last did. */
    Evidence answering(boolean answers, Tick at) {
        return new Evidence(pci, incidents, standings, answers, at);
    }
}
