package io.gpunode.agent.kubernetes;

import io.gpunode.agent.kubernetes.DrainProgress.Fate;
import io.gpunode.agent.kubernetes.DrainProgress.Outcome;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * What is shown of the pods of a drain, or of a look at them.
 *
 * @param outcome so far
 * @param drains whether it is a drain, also one that changes nothing
 * @param dryRun whether it changes nothing
 */
record DrainRows(Outcome outcome, boolean drains, boolean dryRun) {
    /** A row for each. */
    List<DrainProgress.Pod> of(List<GpuPod> gone, Collection<LeavingPod> leaving, List<GpuPod> staying) {
        List<DrainProgress.Pod> rows = new ArrayList<>();
        for (GpuPod pod : gone) {
            rows.add(row(pod, Fate.GONE, "", ""));
        }
        for (LeavingPod one : leaving) {
            rows.add(row(one));
        }
        for (GpuPod pod : staying) {
            switch (pod.standing()) {
                case GpuPod.Standing.Protected(String why, String next) ->
                    rows.add(row(pod, drains ? Fate.IN_THE_WAY : Fate.HOLDS, why, next));
                case GpuPod.Standing.Stays(String why) -> rows.add(row(pod, Fate.STAYS, why, ""));
                case GpuPod.Standing.Evictable _, GpuPod.Standing.Ending _ -> {}
            }
        }
        return rows;
    }

    private DrainProgress.Pod row(LeavingPod one) {
        GpuPod pod = one.pod;
        boolean late = outcome == Outcome.IN_THE_WAY && drains;
        if (pod.standing() instanceof GpuPod.Standing.Ending(String since, long grace)) {
            String why = "it is ending since " + since + ", with a grace period of " + grace + " s";
            return late && !dryRun
                    ? row(pod, Fate.IN_THE_WAY, why, "kubectl describe pod -n " + pod.namespace() + " " + pod.name())
                    : row(pod, drains ? Fate.GOING : Fate.HOLDS, why, "");
        }
        if (one.accepted) {
            return row(pod, dryRun ? Fate.WOULD_GO : Fate.GOING, "", "");
        }
        boolean budget = !one.why.isEmpty();
        return late && (budget || !dryRun)
                ? row(
                        pod,
                        Fate.IN_THE_WAY,
                        budget ? one.why : "it was not evicted yet",
                        budget ? "kubectl get poddisruptionbudgets -n " + pod.namespace() : "gpu-node-agent node drain")
                : row(pod, Fate.HOLDS, one.why, "");
    }

    private static DrainProgress.Pod row(GpuPod pod, Fate fate, String why, String next) {
        return new DrainProgress.Pod(pod.namespace(), pod.name(), pod.holds(), fate, why, next);
    }
}
