package io.gpunode.agent.driver;

import java.util.List;

/**
 * The steps from what is to what is wanted.
 *
 * @param target what is wanted
 * @param differences what is not as it is wanted, in sentences; empty when nothing is to be done
 * @param steps in their order
 */
public record DriverPlan(DriverTarget target, List<String> differences, List<DriverStep> steps) {
    public DriverPlan {
        differences = List.copyOf(differences);
        steps = List.copyOf(steps);
    }

    /** Whether nothing is to be done. */
    public boolean isEmpty() {
        return steps.isEmpty();
    }

    /** Whether it takes something away that somebody may use. */
    public boolean disrupts() {
        for (DriverStep step : steps) {
            if (step instanceof DriverStep.UnloadModule) {
                return true;
            }
        }
        return false;
    }

    /** Whether it is to bring up a driver that is not there. */
    boolean bringsUp() {
        for (DriverStep step : steps) {
            if (step instanceof DriverStep.LoadModule load && load.name().equals(ModuleGraph.CORE)) {
                return true;
            }
        }
        return false;
    }

    /** Whether daemons are all that is missing. */
    boolean startsDaemonsOnly() {
        for (DriverStep step : steps) {
            if (!(step instanceof DriverStep.StartDaemon || step instanceof DriverStep.Announce)) {
                return false;
            }
        }
        return true;
    }

    /** The modules that it takes out of the kernel, in that order. */
    public List<String> unloads() {
        return steps.stream()
                .filter(DriverStep.UnloadModule.class::isInstance)
                .map(step -> ((DriverStep.UnloadModule) step).name())
                .toList();
    }
}
