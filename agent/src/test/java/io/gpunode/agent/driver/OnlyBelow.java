package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostProcesses;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.ProcessWatch;
import io.gpunode.agent.os.StartedProgram;
import io.gpunode.agent.os.StopOutcome;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** The machine's processes, as far as their programs lie below a directory: a test leaves others alone, and they it. */
record OnlyBelow(Path root, HostProcesses all) implements HostProcesses {
    private boolean below(ProcessIdentity process) {
        return process.executable().startsWith(root + "/");
    }

    @Override
    public Optional<ProcessIdentity> identify(int pid) {
        return all.identify(pid);
    }

    @Override
    public List<ProcessIdentity> running(String program) throws IOException {
        return all.running(program).stream().filter(this::below).toList();
    }

    @Override
    public String container(int pid) {
        // Where the test itself runs in a container, that is its host.
        return "";
    }

    @Override
    public OptionalInt lockOwner(Path hostPath) throws IOException {
        return all.lockOwner(hostPath);
    }

    @Override
    public StartedProgram start(List<String> command, Map<String, String> environment, Path output) throws IOException {
        return all.start(command, environment, output);
    }

    @Override
    public Optional<ProcessWatch> watch(ProcessIdentity process) throws IOException {
        return all.watch(process);
    }

    @Override
    public StopOutcome stop(ProcessIdentity process, Duration grace, Duration afterKill) throws InterruptedException {
        return all.stop(process, grace, afterKill);
    }
}
