package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.SystemBootSecurity;
import java.util.List;
import java.util.Locale;

/** What this boot asks of kernel modules, and whether those that the agent compiles would be taken. */
final class ModuleSigningCheck implements Check {
    @Override
    public String name() {
        return "secure-boot";
    }

    @Override
    public String wanted(Patient patient) {
        return "a kernel that takes the driver's modules: signed ones with Secure Boot or lockdown";
    }

    @Override
    public List<Diagnosis> examine(Patient patient) {
        BootSecurity boot = new SystemBootSecurity(patient.files()).read();
        String found = "Secure Boot "
                + boot.secureBoot().name().toLowerCase(Locale.ROOT).replace('_', ' ')
                + (boot.lockdown().isEmpty() ? "" : ", lockdown " + boot.lockdown())
                + (boot.enforced() ? ", every module must be signed" : "");
        AgentConfig.Driver driver = patient.config().driver();
        boolean compiles = driver.manage()
                && driver.source() != AgentConfig.Driver.SourceKind.HOST
                && driver.build().compile();
        if (boot.refusesUnsigned() && compiles && driver.signing().key().isEmpty()) {
            return List.of(Diagnosis.problem(
                    name(),
                    found + ": modules that the agent compiles are refused (\"Key was rejected by service\")",
                    "in /etc/gpu-node-agent/config.yaml: driver: {signing: {key: /root/mok.key, certificate: /root/mok.der}}",
                    "mokutil --import /root/mok.der, and enrol it in the firmware's dialogue at the next boot",
                    "or take signed modules: driver: {build: {compile: false}}"));
        }
        return List.of(Diagnosis.ok(name(), found));
    }
}
