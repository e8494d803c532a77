package io.gpunode.agent.doctor;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Whether the machine is of a kind for which there are packages, and this package is of it. */
final class ArchitectureCheck implements Check {
    /** From Linux 6.1 on. */
    private static final Path ARCHITECTURE = Path.of("/proc/sys/kernel/arch");

    private static final int LIMIT = 256;

    @Override
    public String name() {
        return "architecture";
    }

    @Override
    public String wanted(Patient patient) {
        return "x86_64 or aarch64, and this program made for it";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException {
        String own = kernelName(System.getProperty("os.arch", ""));
        String machine = patient.files().readText(ARCHITECTURE, LIMIT).orElse(own);
        if (!machine.equals("x86_64") && !machine.equals("aarch64")) {
            return List.of(Diagnosis.problem(name(), machine, "there is no package for it"));
        }
        if (!machine.equals(own)) {
            return List.of(Diagnosis.problem(
                    name(),
                    "this program is made for " + own + ", the machine is " + machine,
                    "install the package for " + machine));
        }
        return List.of(Diagnosis.ok(name(), machine));
    }

    private static String kernelName(String javas) {
        return javas.equals("amd64") ? "x86_64" : javas;
    }
}
