package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.ModuleFault.Action;
import io.gpunode.agent.os.ModuleFaults.Restrictions;
import io.gpunode.agent.testing.Golden;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Every error of finit_module and delete_module, in the words of kmod and BusyBox, with what the kernel logs beside it. */
@Timeout(10)
class ModuleFaultsTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "Operation not permitted | | NOT_PERMITTED",
                "Operation not permitted | Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7 | LOCKED_DOWN",
                "Permission denied | | FILE_REFUSED",
                "Exec format error | nvidia: version magic '6.1.0-1' should be '6.1.0-2' | OTHER_KERNEL",
                "Invalid module format | Invalid module architecture in ELF header: 183 | OTHER_ARCHITECTURE",
                "Invalid module format | module nvidia: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time | OTHER_CONFIGURATION",
                "Invalid module format | nvidia: no symbol version for module_layout | NO_SYMBOL_VERSIONS",
                "Exec format error | nvidia: exports duplicate symbol nv_x (owned by nvidia_old) | DUPLICATE_SYMBOL",
                "Exec format error | | DAMAGED_FILE",
                "Module nvidia not found in directory /lib/modules/6.1.0 | | NO_SUCH_MODULE",
                "Unknown symbol in module, or unknown parameter (see dmesg) | nvidia_uvm: Unknown symbol nv_x (err -2) | UNKNOWN_SYMBOL",
                "Unknown symbol in module, or unknown parameter (see dmesg) | nvidia: module uses GPL-only symbol rcu_x | GPL_ONLY_SYMBOL",
                "Unknown symbol in module | nvidia: disagrees about version of symbol x | SYMBOL_VERSION",
                "Module has wrong symbol version | | SYMBOL_VERSION",
                "Invalid argument | nvidia: disagrees about version of symbol x | SYMBOL_VERSION",
                "Invalid argument | module nvidia uses symbol x from namespace DMA_BUF, but does not import it. | NAMESPACE_NOT_IMPORTED",
                "Invalid parameters | nvidia: `many' invalid for parameter `NVreg_X' | BAD_PARAMETER",
                "Numerical result out of range | nvidia: `99999999999' invalid for parameter `NVreg_X' | BAD_PARAMETER",
                "Invalid argument | | INIT_REFUSED",
                "Invalid parameters | nvidia-peermem nv_mem_client_init:556 ERROR module compiled without IB peer memory symbols present | INIT_REFUSED",
                "Device or resource busy | nvidia_uvm: gave up waiting for init of module nvidia. | PROVIDER_NOT_READY",
                "Device or resource busy | | CHANGING",
                "File exists | | ALREADY_LOADED",
                "Module already in kernel | | ALREADY_LOADED",
                "Cannot allocate memory | | NO_MEMORY",
                "No such device | | NO_DEVICE",
                "No such device | NVRM: No NVIDIA GPU found. | NO_GPU",
                "No such device | NVRM: No NVIDIA devices probed. | NO_DEVICE",
                "No such device | NVRM: GPU 0000:00:1e.0 is already bound to nouveau. | DEVICE_OWNED",
                "No such device | NVRM: The NVIDIA probe routine was not called for 1 device(s). | DEVICE_OWNED",
                "No such device | NVRM: Can't find an IRQ for your NVIDIA card! | NO_RESOURCES",
                "No such device | \"NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\nNVRM: BAR1 is 0M @ 0x0 (PCI:0000:08:00.0)\" | NO_RESOURCES",
                "No such device | \"NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:2331)\nNVRM: installed in this system is not supported by open\nNVRM: nvidia.ko because it does not include the required GPU\nNVRM: System Processor (GSP).\" | NEEDS_PROPRIETARY",
                "No such device | \"NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:2b85)\nNVRM: installed in this system is not supported by the\nNVRM: NVIDIA 535.261.03 driver release.\" | GPU_UNSUPPORTED",
                "No such device | \"NVRM: The NVIDIA GPU 0000:01:00.0\nNVRM: (PCI ID: 10de:2331) installed in this system has\nNVRM: fallen off the bus and is not responding to commands.\" | FALLEN_OFF",
                "No such device | NVRM: The NVIDIA probe routine failed for 1 device(s). | HARDWARE",
                "Input/output error | NVRM: RmInitAdapter failed! | HARDWARE",
                "Required key not available | | UNKNOWN_KEY",
                "Required key not available | Loading of unsigned module is rejected | NOT_SIGNED",
                "Key was rejected by service | | SIGNATURE_REJECTED",
                "Key was rejected by service | Loading of unsigned module is rejected | NOT_SIGNED",
                "Key was rejected by service | Loading of module with unavailable key is rejected | UNKNOWN_KEY",
                "Key was rejected by service | Loading of module with unsupported crypto is rejected | SIGNATURE_UNSUPPORTED",
                "Bad message | | SIGNATURE_DAMAGED",
                "No data available | | NOT_SIGNED",
                "Package not installed | | SIGNATURE_UNSUPPORTED",
                "Operation not supported | | COMPRESSION_UNSUPPORTED",
                "Text file busy | | FILE_BEING_WRITTEN",
                "Error running install command '/bin/false' for module nvidia: retcode 1 | | REPLACED",
                "Value too large for defined data type | | UNEXPLAINED",
            })
    void everyErrorOfLoadingHasItsMeaning(String said, String log, ModuleFault expected) {
        // When
        ModuleFault fault = ModuleFaults.ofLoading(
                "modprobe: ERROR: could not insert 'nvidia': " + said,
                log == null ? List.of("unrelated line") : List.of("unrelated line", log),
                Restrictions.NONE);

        // Then
        assertThat(fault).isEqualTo(expected);
        assertThat(fault.action()).isIn(Action.LOAD, Action.BOTH);
    }

    /** The lines of the open modules 535.261.03 where no GPU can be driven, and what has to be told of them. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "NVRM: No NVIDIA GPU found. | NO_GPU | No NVIDIA GPU found.",
                "\"NVRM: Can't find an IRQ for your NVIDIA card!;NVRM: Please check your BIOS settings.;nvidia: probe of 0000:31:00.0 failed with error -1;NVRM: The NVIDIA probe routine failed for 1 device(s).;NVRM: None of the NVIDIA devices were initialized.\" | NO_RESOURCES | Can't find an IRQ for your NVIDIA card!",
                "\"NVRM: The NVIDIA probe routine was not called for 4 device(s).;NVRM: This can occur when a driver such as: \nNVRM: nouveau, rivafb, nvidiafb or rivatv \nNVRM: was loaded and obtained ownership of the NVIDIA device(s).;NVRM: No NVIDIA devices probed.\" | DEVICE_OWNED | The NVIDIA probe routine was not called for 4 device(s).",
                "\"NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64;NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:2331)\nNVRM: installed in this system is not supported by open\nNVRM: nvidia.ko because it does not include the required GPU;nvidia: probe of 0000:01:00.0 failed with error -1;NVRM: The NVIDIA probe routine failed for 1 device(s).\" | NEEDS_PROPRIETARY | The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:2331) installed in this system is not supported by open nvidia.ko because it does not include the required GPU",
            })
    void whatTheRealModulesLogIsExplainedAndItsFirstSentenceTold(String lines, ModuleFault expected, String told) {
        // Given
        List<String> log = new ArrayList<>();
        log.add("nvidia-nvlink: Nvlink Core is being initialized, major device number 243");
        log.addAll(List.of(lines.split(";")));
        log.add("nvidia-nvlink: Unregistered Nvlink Core, major device number 243");

        // When
        ModuleFault fault = ModuleFaults.ofLoading(
                "insmod: ERROR: could not insert module nvidia.ko: No such device", log, Restrictions.NONE);

        // Then
        assertThat(fault).isEqualTo(expected);
        assertThat(new ModuleOutcome.Refused(fault, "No such device", log).driverSaid())
                .isEqualTo(told);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Module nvidia is in use by: nvidia_uvm nvidia_modeset | true | true | HELD_BY_MODULES",
                "Module nvidia is in use | false | true | IN_USE",
                "could not remove 'nvidia': Resource temporarily unavailable | false | true | IN_USE",
                "could not remove 'nvidia': Resource temporarily unavailable | true | true | HELD_BY_MODULES",
                "could not remove 'nvidia': Device or resource busy | false | true | NOT_LIVE",
                "could not remove 'nvidia': Device or resource busy | false | false | PERMANENT",
                "Module nvidia is builtin. | false | true | PERMANENT",
                "could not remove 'nvidia': Interrupted system call | false | true | INTERRUPTED",
                "Module unloading is not supported | false | true | UNLOADING_UNSUPPORTED",
                "could not remove 'nvidia': Function not implemented | false | true | UNLOADING_UNSUPPORTED",
                "could not remove 'nvidia': Operation not permitted | false | true | NOT_PERMITTED",
                "could not remove 'nvidia': No medium found | false | true | UNEXPLAINED",
            })
    void everyErrorOfUnloadingHasItsMeaning(String said, boolean hasHolders, boolean hasExit, ModuleFault expected) {
        // When
        ModuleFault fault =
                ModuleFaults.ofUnloading("rmmod: ERROR: " + said, List.of(), Restrictions.NONE, hasHolders, hasExit);

        // Then
        assertThat(fault).isEqualTo(expected);
        assertThat(fault.action()).isIn(Action.UNLOAD, Action.BOTH);
    }

    @ParameterizedTest
    @CsvSource({
        "true, true, true, integrity, MODULES_DISABLED",
        "false, false, false, none, NO_CAPABILITY",
        "true, false, true, none, NAME_BLOCKED",
        "true, false, false, integrity, LOCKED_DOWN",
        "true, false, false, none, NOT_PERMITTED",
    })
    void whatIsNotPermittedIsToldByWhatRestrictsTheKernel(
            boolean capable, boolean disabled, boolean blocked, String lockdown, ModuleFault expected) {
        // When
        ModuleFault fault = ModuleFaults.ofLoading(
                "Operation not permitted", List.of(), new Restrictions(capable, disabled, blocked, lockdown));

        // Then
        assertThat(fault).isEqualTo(expected);
    }

    @ParameterizedTest
    @EnumSource
    void everyFaultSaysWhatIsTheMatterAndWhatToDo(ModuleFault fault) {
        assertThat(fault.sentence()).matches("[a-z].*[^.]");
        assertThat(fault.remedy()).matches("(?s)[a-z].*[^.]");
    }

    @Test
    void everyErrorOfTheKernelIsInTheTable() {
        // Given what kernel/module/main.c and signing.c return
        Set<String> errors = Set.of(
                "EPERM",
                "ENOEXEC",
                "ENOENT",
                "EINVAL",
                "EBUSY",
                "EEXIST",
                "ENOMEM",
                "ENODEV",
                "EIO",
                "ENOKEY",
                "EKEYREJECTED",
                "EBADMSG",
                "ENODATA",
                "ENOPKG",
                "EOPNOTSUPP",
                "ETXTBSY",
                "EWOULDBLOCK",
                "EINTR");

        // When
        List<String> explained = EnumSet.allOf(ModuleFault.class).stream()
                .map(ModuleFault::error)
                .distinct()
                .toList();

        // Then
        assertThat(explained).containsAll(errors);
    }

    @Test
    void theDocumentIsTheTable() {
        // When
        StringBuilder document = new StringBuilder("""
                # Why a kernel module is not loaded or unloaded

                Made from `ModuleFault` by `ModuleFaultsTest`; `-Dgolden.update=true` writes it again.

                `driver load`, `unload`, `upgrade` and `/state` tell the same sentences, with what the program said and the kernel's own lines of that moment.
                What a kernel answers says little by itself: the same "Operation not permitted" has six reasons here, told apart by the kernel's log, its
                command line, its lockdown and the agent's capabilities.

                | Fault | When | Error | What is the matter | What helps |
                |---|---|---|---|---|
                """);
        for (ModuleFault fault : ModuleFault.values()) {
            document.append("| `")
                    .append(fault.name())
                    .append("` | ")
                    .append(
                            switch (fault.action()) {
                                case LOAD -> "load";
                                case UNLOAD -> "unload";
                                case BOTH -> "both";
                            })
                    .append(" | ")
                    .append(fault.error().isEmpty() ? "–" : fault.error())
                    .append(" | ")
                    .append(fault.sentence())
                    .append(" | ")
                    .append(fault.remedy().replace("|", "\\|"))
                    .append(fault.needsReboot() ? " (needs a reboot)" : "")
                    .append(fault.passing() ? " (passes: it is tried again)" : "")
                    .append(" |\n");
        }

        // Then
        Golden.checkDocument("docs/driver-errors.md", document.toString());
    }
}
