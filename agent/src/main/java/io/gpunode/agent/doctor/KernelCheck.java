package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Whether the kernel is one that the agent is tried on. */
final class KernelCheck implements Check {
    private static final Path RELEASE = Path.of("/proc/sys/kernel/osrelease");
    private static final int LIMIT = 256;
    private static final int MAJOR = 4;
    private static final int MINOR = 18;

    @Override
    public String name() {
        return "kernel";
    }

    @Override
    public String wanted(Patient patient) {
        return "Linux 4.18 or newer; 5.8 for a service without CAP_SYS_ADMIN";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        String release = patient.files().readText(RELEASE, LIMIT).orElse("");
        Optional<Release> number = Release.in(release);
        if (number.isPresent() && number.get().before(MAJOR, MINOR)) {
            return List.of(Diagnosis.note(
                    name(), "Linux " + release + ", on which nobody has tried the agent", "upgrade the kernel"));
        }
        if (number.isPresent() && number.get().before(5, 8)) {
            return List.of(Diagnosis.note(
                    name(),
                    "Linux " + release + " has no CAP_PERFMON, so profiling needs CAP_SYS_ADMIN",
                    "gpu-node-agent config systemd prints a profile of the service for this kernel"));
        }
        return List.of(Diagnosis.ok(name(), "Linux " + release));
    }
}
