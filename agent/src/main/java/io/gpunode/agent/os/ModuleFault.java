package io.gpunode.agent.os;

/**
 * Why the kernel or its tools refuse to load or unload a module: what it means and what a person does about it. The errors are those of
 * {@code finit_module} and {@code delete_module} (kernel/module/main.c, signing.c), told apart by what the kernel logs beside them and by what restricts
 * this kernel. docs/driver-errors.md is made from this table.
 */
public enum ModuleFault {
    NO_CAPABILITY(
            Action.BOTH,
            "EPERM",
            "this process may not change kernel modules: it has no CAP_SYS_MODULE",
            "run it as root and with that capability: CapabilityBoundingSet= of the unit, securityContext.privileged of a pod"),
    MODULES_DISABLED(
            Action.BOTH,
            "EPERM",
            "kernel.modules_disabled is 1: until the next boot modules can be neither loaded nor unloaded",
            "take kernel.modules_disabled=1 out of /etc/sysctl.conf and /etc/sysctl.d, then reboot"),
    NAME_BLOCKED(
            Action.LOAD,
            "EPERM",
            "the kernel's command line names the module in module_blacklist=",
            "take it out of the boot loader's kernel parameters (GRUB_CMDLINE_LINUX in /etc/default/grub), then reboot"),
    LOCKED_DOWN(
            Action.LOAD,
            "EPERM",
            "the kernel is locked down and the module has no signature that it trusts",
            "sign the module with an enrolled key, or enrol the key (mokutil --import KEY.der, confirmed on the console at the next boot)"),
    NOT_PERMITTED(
            Action.BOTH,
            "EPERM",
            "a security module of the kernel refuses it (SELinux, AppArmor or LoadPin)",
            "see what was refused: journalctl -k -g 'avc|apparmor|LoadPin', and allow it to the agent's domain"),
    FILE_REFUSED(
            Action.LOAD,
            "EACCES",
            "the module's file may not be read",
            "see its owner, mode and label: ls -lZ FILE; on SELinux: restorecon -v FILE"),
    OTHER_KERNEL(
            Action.LOAD,
            "ENOEXEC",
            "the module was built for another kernel: its version magic is not that of the running one",
            "build it for the running kernel: gpu-node-agent driver build --kernel $(uname -r)"),
    OTHER_ARCHITECTURE(
            Action.LOAD,
            "ENOEXEC",
            "the module was built for another processor architecture",
            "take the driver of this machine's architecture (uname -m)"),
    OTHER_CONFIGURATION(
            Action.LOAD,
            "ENOEXEC",
            "the module was built against headers of another kernel configuration: the size of its structures differs",
            "install the headers that belong to exactly this kernel, and build again: gpu-node-agent driver build --kernel $(uname -r)"),
    NO_SYMBOL_VERSIONS(
            Action.LOAD,
            "ENOEXEC",
            "the module carries no symbol versions, which this kernel wants: it was built without the kernel's Module.symvers",
            "install the complete headers of this kernel, and build again: gpu-node-agent driver build --kernel $(uname -r)"),
    DUPLICATE_SYMBOL(
            Action.LOAD,
            "ENOEXEC",
            "the module exports a symbol that another loaded module exports already",
            "unload the module that the kernel's log names as the owner; it is usually the other flavour of the same driver"),
    DAMAGED_FILE(
            Action.LOAD,
            "ENOEXEC",
            "the file is not a kernel module, or is damaged or stripped",
            "install or build the module again; see the file: modinfo FILE"),
    NO_SUCH_MODULE(
            Action.LOAD,
            "ENOENT",
            "no module of this name is installed for the running kernel",
            "install or build the driver for this kernel; when its file is there, rebuild the index: depmod -a $(uname -r)"),
    GPL_ONLY_SYMBOL(
            Action.LOAD,
            "ENOENT",
            "the kernel offers a symbol that the module needs to modules under the GPL only",
            "use the open kernel modules, or a driver version that supports this kernel"),
    UNKNOWN_SYMBOL(
            Action.LOAD,
            "ENOENT",
            "the module needs a symbol that neither the kernel nor a loaded module has",
            "load the module that has it first (modinfo -F depends FILE); when none does, the module was built for another kernel"),
    SYMBOL_VERSION(
            Action.LOAD,
            "EINVAL",
            "the module was built against another version of a symbol: of the kernel's, or of another module's of an older build",
            "build it against this kernel's headers, and together with the modules that it depends on"),
    NAMESPACE_NOT_IMPORTED(
            Action.LOAD,
            "EINVAL",
            "the module uses a symbol of a namespace that it does not import",
            "use a driver version that supports this kernel"),
    BAD_PARAMETER(
            Action.LOAD,
            "EINVAL",
            "a value of one of the module's parameters is not one that it takes",
            "correct it in driver.parameters, or in the options line of /etc/modprobe.d that names the module"),
    INIT_REFUSED(
            Action.LOAD,
            "EINVAL",
            "the module itself refused to start with what it found",
            "see the kernel's log; nvidia_peermem: its InfiniBand interface is absent or of another OFED than it was built with"),
    CHANGING(
            Action.LOAD,
            "EBUSY",
            "somebody else is loading or unloading the module at this moment",
            "see who: pgrep -a 'modprobe|insmod|rmmod'; then try again"),
    PROVIDER_NOT_READY(
            Action.LOAD,
            "EBUSY",
            "a module that it depends on did not finish its start within the kernel's 30 seconds",
            "see the kernel's log for what that module waits for"),
    ALREADY_LOADED(
            Action.LOAD,
            "EEXIST",
            "something of the module's name is in the kernel already",
            "see it: ls /sys/module/NAME; one that is built in, or that failed on its way, cannot be replaced without a reboot"),
    NO_MEMORY(
            Action.LOAD,
            "ENOMEM",
            "the kernel has no memory for the module",
            "see free -m and the kernel's log (vmalloc, percpu); free memory, or reboot"),
    NO_GPU(
            Action.LOAD,
            "ENODEV",
            "the kernel sees no NVIDIA GPU on this machine",
            "see that it is on the PCI bus: lspci -nn -d 10de:; a virtual machine gets it from its host (passthrough), a board that is missing there needs its"
                    + " seat, its power and the firmware's settings looked at; where there is to be none: driver.manage: false"),
    GPU_UNSUPPORTED(
            Action.LOAD,
            "ENODEV",
            "this version of the driver does not support the GPU",
            "set driver.version to one that does: an older GPU needs the last branch that had it, which the kernel's log may name, a newer one a newer branch"
                    + " (lspci -nn -d 10de: says which GPU it is)"),
    NEEDS_PROPRIETARY(
            Action.LOAD,
            "ENODEV",
            "the open kernel modules do not support the GPU: it is older than Turing, or has no GSP that they could use",
            "set driver.kernelModuleType: proprietary, then: gpu-node-agent driver load"),
    NO_RESOURCES(
            Action.LOAD,
            "ENODEV",
            "the machine has given the GPU no interrupt, or no address space that it could be reached by (its BARs)",
            "see what it has: lspci -vv -d 10de:; switch on Above 4G Decoding in the machine's firmware, give a virtual machine a larger window for"
                    + " 64-bit devices, or start the kernel with pci=realloc"),
    FALLEN_OFF(
            Action.LOAD,
            "ENODEV",
            "the GPU has fallen off the bus: it does not answer",
            "switch the machine's power off and on; when it happens again, see the board's seat, power and cooling"),
    NO_DEVICE(
            Action.LOAD,
            "ENODEV",
            "the module found no device that it can drive",
            "see the kernel's log for why, and that the GPU is there and supported by this driver: lspci -nn -d 10de:"),
    DEVICE_OWNED(
            Action.LOAD,
            "ENODEV",
            "another driver owns all of the devices",
            "see which: lspci -k -d 10de:; nouveau: gpu-node-agent driver load unloads it where that is possible; vfio-pci: give the GPU back first"),
    HARDWARE(
            Action.LOAD,
            "EIO",
            "the driver could not start the hardware",
            "see the NVRM lines of the kernel's log; reset or power-cycle the GPU, and see its seat and power when that does not help"),
    UNKNOWN_KEY(
            Action.LOAD,
            "ENOKEY",
            "the module is signed with a key that the kernel does not know",
            "enrol the key (mokutil --import KEY.der, confirmed on the console at the next boot), or sign with one that is enrolled (mokutil --list-enrolled)"),
    NOT_SIGNED(
            Action.LOAD,
            "ENODATA",
            "the module is not signed, and this kernel takes signed ones only",
            "set driver.signing.key and .certificate to an enrolled key and build again, or switch enforcement off (Secure Boot, module.sig_enforce)"),
    SIGNATURE_REJECTED(
            Action.LOAD,
            "EKEYREJECTED",
            "the kernel rejects the module's signature",
            "the file was changed after it was signed (stripped, for example), or its key is not enrolled: sign again with an enrolled key"),
    SIGNATURE_DAMAGED(
            Action.LOAD,
            "EBADMSG",
            "the module's signature cannot be read",
            "sign it again; strip and compress before signing, not after"),
    SIGNATURE_UNSUPPORTED(
            Action.LOAD,
            "ENOPKG",
            "the module's signature uses a hash or cipher that this kernel does not have",
            "sign with the hash of the kernel's build (CONFIG_MODULE_SIG_HASH)"),
    COMPRESSION_UNSUPPORTED(
            Action.LOAD,
            "EOPNOTSUPP",
            "this kernel cannot unpack the module's file by itself, and the loader did not do so",
            "unpack it (xz -d, zstd -d, gunzip) and run depmod -a, or install the distribution's kmod with that compression"),
    FILE_BEING_WRITTEN(
            Action.LOAD,
            "ETXTBSY",
            "the module's file is open for writing",
            "wait until who installs it is done (fuser -v FILE), then try again"),
    HELD_BY_MODULES(
            Action.UNLOAD,
            "EWOULDBLOCK",
            "other modules depend on it",
            "unload those first; see which: ls /sys/module/NAME/holders"),
    IN_USE(
            Action.UNLOAD,
            "EWOULDBLOCK",
            "it is in use: something has one of its devices open",
            "see who: gpu-node-agent driver holders; stop them, then try again"),
    NOT_LIVE(
            Action.UNLOAD,
            "EBUSY",
            "it is still starting or already on its way out",
            "see /sys/module/NAME/initstate; when it stays so, its code hangs in the kernel and only a reboot frees it"),
    PERMANENT(
            Action.UNLOAD,
            "EBUSY",
            "it has no exit function: it cannot be unloaded",
            "reboot without it: blacklist it in /etc/modprobe.d and rebuild the initial RAM disk"),
    INTERRUPTED(Action.UNLOAD, "EINTR", "the call was interrupted while it waited for another change", "try again"),
    UNLOADING_UNSUPPORTED(
            Action.UNLOAD,
            "ENOSYS",
            "this kernel was built without unloading of modules (CONFIG_MODULE_UNLOAD)",
            "reboot to change the driver"),
    REPLACED(
            Action.LOAD,
            "",
            "an install line of modprobe's configuration runs another program in the module's place",
            "find it: grep -r '^ *install' /etc/modprobe.d /run/modprobe.d /usr/lib/modprobe.d /lib/modprobe.d; take it out"),
    NO_PROGRAM(
            Action.BOTH,
            "",
            "the program that loads and unloads modules cannot be started",
            "install kmod (apt-get install kmod, dnf install kmod, zypper install kmod)"),
    UNEXPLAINED(
            Action.BOTH,
            "",
            "it failed for a reason that this version does not know",
            "see what the program and the kernel said, and report it");

    /** When a fault comes. */
    public enum Action {
        LOAD,
        UNLOAD,
        BOTH
    }

    private final Action action;
    private final String error;
    private final String sentence;
    private final String remedy;

    ModuleFault(Action action, String error, String sentence, String remedy) {
        this.action = action;
        this.error = error;
        this.sentence = sentence;
        this.remedy = remedy;
    }

    /** When it comes. */
    public Action action() {
        return action;
    }

    /** The error's name in errno.h; empty for what is no error of the kernel. */
    public String error() {
        return error;
    }

    /** What is the matter, for people; begins in lower case and has no full stop. */
    public String sentence() {
        return sentence;
    }

    /** What a person does about it. */
    public String remedy() {
        return remedy;
    }

    /** Whether the same call may well succeed a little later, with nothing changed by anybody. */
    public boolean passing() {
        return switch (this) {
            case CHANGING, PROVIDER_NOT_READY, NO_MEMORY, FILE_BEING_WRITTEN, IN_USE, NOT_LIVE, INTERRUPTED -> true;
            default -> false;
        };
    }

    /** Whether nothing but a reboot helps. */
    public boolean needsReboot() {
        return switch (this) {
            case MODULES_DISABLED, NAME_BLOCKED, PERMANENT, UNLOADING_UNSUPPORTED -> true;
            default -> false;
        };
    }
}
