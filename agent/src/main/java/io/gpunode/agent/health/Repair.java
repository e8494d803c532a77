package io.gpunode.agent.health;

import io.gpunode.agent.model.PciAddress;

/** What a person can do about a finding, in words with a command. */
enum Repair {
    NONE("nothing: the driver has dealt with it"),
    RESTART_WORK("look into the application that used the GPU; compute-sanitizer finds its memory errors"),
    RESET("stop what uses the GPU, then reset it: nvidia-smi --gpu-reset -i %s"),
    DRAIN_AND_RESET(
            "drain the node: kubectl drain $(hostname) --ignore-daemonsets; then reset the GPU: nvidia-smi --gpu-reset -i %s"),
    REBOOT("drain the node and reboot it: kubectl drain $(hostname) --ignore-daemonsets; systemctl reboot"),
    CHECK_HARDWARE("write a report for the vendor: nvidia-bug-report.sh; then have the board looked at");

    private final String text;

    Repair(String text) {
        this.text = text;
    }

    /** The words for one GPU. */
    String describe(PciAddress pci) {
        return text.replace("%s", pci.sysfsName());
    }
}
