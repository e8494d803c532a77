package io.gpunode.agent.os;

import io.gpunode.agent.os.FakeKernelModules.Installed;
import io.gpunode.agent.os.LoadedModule.Phase;
import java.nio.file.Path;
import java.util.List;

/** The fake is held to what the real one does. */
class FakeKernelModulesTest extends KernelModulesContract {
    private final FakeKernelModules fake = new FakeKernelModules();

    @Override
    KernelModules modules() {
        fake.install(new Installed("base", List.of(), "1.0", ""));
        fake.install(new Installed("top", List.of("base"), "1.0", ""));
        fake.install(new Installed("other", List.of(), "1.0", ""));
        return fake;
    }

    @Override
    void hold(String module) {
        fake.hold(module);
    }

    @Override
    void release(String module) {
        fake.release(module);
    }

    @Override
    void phase(String module, Phase phase) {
        fake.phase(module, phase);
    }

    @Override
    Path file(String module) {
        return Path.of("/lib/modules/test/" + module + ".ko");
    }
}
