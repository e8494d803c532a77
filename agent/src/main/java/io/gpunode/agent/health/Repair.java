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
    CHECK_HARDWARE("write a report for the vendor: nvidia-bug-report.sh; then have the board looked at"),
    COOL("look at fans, air flow and temperatures: nvidia-smi -q -d TEMPERATURE,PERFORMANCE -i %s"),
    CHECK_POWER("look at the power supply and its cables: nvidia-smi -q -d POWER,PERFORMANCE -i %s"),
    CHECK_SLOT("look at the link: lspci -vv -s %s | grep -E 'LnkCap|LnkSta'; then reseat the board or its riser"),
    CHECK_LINKS("look at the links: nvidia-smi nvlink --status -i %s; nvidia-smi nvlink --errorcounters -i %s"),
    FABRIC_MANAGER("look at the fabric manager: systemctl status nvidia-fabricmanager; then start it anew: "
            + "systemctl restart nvidia-fabricmanager"),
    IMEX("look at the IMEX domain: nvidia-imex-ctl -N; then start its service anew: systemctl restart nvidia-imex"),
    READ_KERNEL_LOG("read what the driver says: dmesg | grep -E 'NVRM|nvidia'");

    private final String text;

    Repair(String text) {
        this.text = text;
    }

    /** The words for one GPU. */
    String describe(PciAddress pci) {
        return text.replace("%s", pci.sysfsName());
    }
}
