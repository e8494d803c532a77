package io.gpunode.agent.driver;

import io.gpunode.agent.os.ProcessIdentity;

class FakeDaemonsTest extends DaemonsContract {
    private final FakeDaemons daemons = new FakeDaemons();

    @Override
    Daemons daemons() {
        return daemons;
    }

    @Override
    ProcessIdentity startedBySomebody() {
        return daemons.add(DaemonKind.PERSISTENCED);
    }

    @Override
    void failsToStart() {
        daemons.refuse(DaemonKind.PERSISTENCED, DaemonFault.EXITED);
    }

    @Override
    void endsOnlyWhenKilled() {
        daemons.deaf(DaemonKind.PERSISTENCED);
    }
}
