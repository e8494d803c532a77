package io.gpunode.agent.os;

import io.gpunode.agent.time.ManualTime;

class FakeHostProcessesTest extends HostProcessesContract {
    private final FakeHostProcesses processes = new FakeHostProcesses(new ManualTime());

    @Override
    protected HostProcesses processes() {
        return processes;
    }

    @Override
    protected ProcessIdentity willing() {
        return processes.add("/usr/bin/sleep");
    }

    @Override
    protected ProcessIdentity stubborn() {
        ProcessIdentity process = processes.add("/usr/bin/sleep");
        processes.ignoreTerm(process.pid());
        return process;
    }

    @Override
    protected void end(ProcessIdentity process) {
        processes.end(process.pid(), 0);
    }
}
