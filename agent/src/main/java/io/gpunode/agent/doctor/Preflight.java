package io.gpunode.agent.doctor;

import io.gpunode.agent.doctor.Diagnosis.Level;
import java.util.ArrayList;
import java.util.List;

/**
 * Looks at a node before an agent runs on it: whether the machine has what the agent needs, and whether somebody does its work already. Asks for no
 * running agent, and changes nothing. What {@link Doctor} looks at as well is looked at by the same checks.
 */
public final class Preflight {
    private static final List<Check> CHECKS = List.of(
            new ArchitectureCheck(),
            new KernelCheck(),
            new LibraryCheck(),
            new SystemdCheck(),
            new FileSystemsCheck(),
            new SelinuxCheck(),
            new DriverCheck(),
            new ModuleSigningCheck(),
            new CgroupCheck(),
            new RuntimeCheck(),
            new ContainerdCheck(),
            new CrioCheck(),
            new DockerCheck(),
            new KubeletCheck(),
            new OtherPluginsCheck(),
            new PortsCheck());

    private Preflight() {}

    /**
     * One check's outcome.
     *
     * @param check its fixed name
     * @param level the worst of what it found
     * @param wanted what it looks for
     * @param found what it found, the worst first
     */
    public record Outcome(String check, Level level, String wanted, List<Diagnosis> found) {
        public Outcome {
            found = List.copyOf(found);
        }
    }

    /** What every check found that has something to look at here, in the order in which things depend on each other. */
    public static List<Outcome> examine(Patient patient) throws InterruptedException {
        List<Outcome> outcomes = new ArrayList<>();
        for (Check check : CHECKS) {
            List<Diagnosis> found = new ArrayList<>(Doctor.examine(check, patient));
            if (found.isEmpty()) {
                continue;
            }
            found.sort((one, other) -> other.level().compareTo(one.level()));
            outcomes.add(new Outcome(check.name(), found.getFirst().level(), check.wanted(patient), found));
        }
        return List.copyOf(outcomes);
    }
}
