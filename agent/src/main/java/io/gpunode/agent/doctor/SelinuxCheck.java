package io.gpunode.agent.doctor;

import io.gpunode.agent.os.CommandRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Where SELinux enforces its policy: whether systemd may start the agent, and whether containers may open the GPUs' device nodes. */
final class SelinuxCheck implements Check {
    private static final Path SELINUX = Path.of("/sys/fs/selinux");
    private static final int LIMIT = 256;
    private static final Duration TIME = Duration.ofSeconds(5);
    private static final int OUTPUT_LIMIT = 4_096;
    private static final int TYPE = 2;
    /** Types of files that init may start a service from; the distributions' policies label every directory {@code bin} so. */
    private static final Set<String> STARTABLE = Set.of("bin_t", "usr_t", "lib_t");
    /** Either lets confined containers open /dev/nvidia*, which is {@code xserver_misc_device_t} (container-selinux). */
    private static final List<String> BOOLEANS = List.of("container_use_xserver_devices", "container_use_devices");

    @Override
    public String name() {
        return "selinux";
    }

    @Override
    public String wanted(Patient patient) {
        return "off, or programs of type bin_t and containers that may open device nodes of GPUs";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException {
        Optional<String> enforce = patient.files().readText(SELINUX.resolve("enforce"), LIMIT);
        if (enforce.isEmpty()) {
            return List.of(Diagnosis.ok(name(), "off"));
        }
        boolean enforcing = enforce.get().equals("1");
        List<Diagnosis> found = new ArrayList<>();
        Path program = patient.home().resolve("bin/java");
        String type = type(patient, program);
        if (!type.isEmpty() && !STARTABLE.contains(type) && !type.endsWith("_exec_t")) {
            String what = program + " has the type " + type + ": systemd may not start it (203/EXEC)";
            Path home = patient.home();
            String[] remedy = {
                "restorecon -Rv " + home,
                "if that changes nothing: semanage fcontext -a -t bin_t '" + home + "/bin(/.*)?' && restorecon -Rv "
                        + home
            };
            found.add(
                    enforcing
                            ? Diagnosis.problem(name(), what, remedy)
                            : Diagnosis.note(name(), what + " once SELinux enforces", remedy));
        }
        boolean known = false;
        boolean allowed = false;
        for (String each : BOOLEANS) {
            Optional<String> value =
                    patient.files().readText(SELINUX.resolve("booleans").resolve(each), LIMIT);
            known |= value.isPresent();
            allowed |= value.isPresent() && value.get().startsWith("1");
        }
        if (known && !allowed) {
            found.add(Diagnosis.note(
                    name(),
                    "confined containers may not open /dev/nvidia* unless the policy has a rule of its own for them",
                    "setsebool -P " + BOOLEANS.getFirst() + " on",
                    "what was refused: ausearch -m avc -ts recent"));
        }
        if (found.isEmpty()) {
            found.add(Diagnosis.ok(name(), enforcing ? "enforcing" : "permissive"));
        }
        return found;
    }

    /** The third part of a label such as {@code system_u:object_r:bin_t:s0}; empty when it cannot be asked. */
    private static String type(Patient patient, Path program) throws InterruptedException {
        try {
            CommandRunner.Result result =
                    patient.commands().run(List.of("stat", "-c", "%C", program.toString()), TIME, OUTPUT_LIMIT);
            String[] parts = result.output().strip().split(":", -1);
            return result.ok() && parts.length > TYPE ? parts[TYPE] : "";
        } catch (IOException e) {
            return "";
        }
    }
}
