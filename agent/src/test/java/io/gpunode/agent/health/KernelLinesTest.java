package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.PciAddress;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class KernelLinesTest {
    private static final PciAddress GPU = new PciAddress(0, 0x65, 0, 0);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
                "NVRM: Xid (PCI:0000:65:00): 79, GPU has fallen off the bus.",
                "NVRM: Xid (PCI:0000:65:00.0): 79, pid=1234, name=python3",
                "NVRM: Xid (0000:65:00): 79, pid=1234",
                "NVRM: Xid (PCI:0000:65:00): 79"
            })
    void anXidNamesItsGpu(String line) {
        // When
        KernelMessage message = KernelLines.parse(line);

        // Then
        assertThat(message).isEqualTo(new KernelMessage.Xid(GPU, 79, OptionalInt.empty(), OptionalInt.empty(), false));
    }

    @Test
    void anXidOfAMigDeviceNamesItsInstances() {
        // When
        KernelMessage message = KernelLines.parse(
                "NVRM: Xid (PCI:0000:65:00 GPU-I:02 GPU-CI:00): 94, pid=7194, name=python3, Contained");

        // Then
        assertThat(message).isEqualTo(new KernelMessage.Xid(GPU, 94, OptionalInt.of(2), OptionalInt.of(0), false));
    }

    @Test
    void anXidOfAGpuInstanceNamesIt() {
        // When
        KernelMessage message = KernelLines.parse("NVRM: Xid (PCI:0000:65:00 GPU-I:13): 95, pid=1, name=x");

        // Then
        assertThat(message).isEqualTo(new KernelMessage.Xid(GPU, 95, OptionalInt.of(13), OptionalInt.empty(), false));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "145, RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x00000006 0x00000008 0x00000000 0x00000000) | false",
                "145, RLW_REMAP Fatal XC0 i0 Link 00 (0x00000004 0x00000040 0x00000000 0x00000000) | true",
                "145, pid=7, name=python3, RLW_REMAP Fatal XC0 i0 Link 00 (0x00000004 0x00000040) | true",
                "145, pid=7, name=a Fatal XC0, RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x00000006) | false",
                "145, RLW_RXPIPE | false",
                "145, RLW_REMAP Fatality XC0 | false"
            })
    void anXidOfNvlink5SaysWhetherItIsFatal(String said, boolean fatal) {
        // When
        KernelMessage message = KernelLines.parse("NVRM: Xid (PCI:0000:65:00): " + said);

        // Then
        assertThat(message).isEqualTo(new KernelMessage.Xid(GPU, 145, OptionalInt.empty(), OptionalInt.empty(), fatal));
    }

    @Test
    void domainsMayBeLong() {
        // When
        KernelMessage message = KernelLines.parse("NVRM: Xid (PCI:10001:1b:1f): 48, pid=1");

        // Then
        assertThat(message)
                .isEqualTo(new KernelMessage.Xid(
                        new PciAddress(0x10001, 0x1b, 0x1f, 0), 48, OptionalInt.empty(), OptionalInt.empty(), false));
    }

    @Test
    void anSxidSaysWhetherItIsFatal() {
        // When
        KernelMessage fatal = KernelLines.parse(
                "nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 24007, Fatal, Link 30 sourcetrack timeout error");
        KernelMessage other = KernelLines.parse(
                "nvidia-nvswitch3: SXid (PCI:0000:c6:00.0): 20009, Non-fatal, Link 28 RX Short Error Rate");

        // Then
        assertThat(fatal)
                .isEqualTo(new KernelMessage.SwitchXid(
                        new PciAddress(0, 0xc3, 0, 0), 24007, true, "Fatal, Link 30 sourcetrack timeout error"));
        assertThat(other)
                .isInstanceOfSatisfying(
                        KernelMessage.SwitchXid.class,
                        sxid -> assertThat(sxid.fatal()).isFalse());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "NVRM: GPU 0000:65:00.0: GPU has fallen off the bus.",
                "NVRM: GPU at PCI:0000:65:00.0 has fallen off the bus.",
                "NVRM: The NVIDIA GPU 0000:65:00.0\nNVRM: (PCI ID: 10de:2330)\nNVRM: installed in this system has\nNVRM: fallen off the bus and is not responding to commands."
            })
    void aGpuThatFellOffTheBusIsNamed(String line) {
        assertThat(KernelLines.parse(line)).isEqualTo(new KernelMessage.FallenOffBus(GPU));
    }

    @Test
    void aGpuThatCouldNotBeStartedIsNamedByWhatTheDriverTells() {
        // When
        KernelMessage newer =
                KernelLines.parse("NVRM: GPU 0000:65:00.0: rm_init_adapter failed, device minor number 3");
        KernelMessage older = KernelLines.parse("NVRM: rm_init_adapter failed for device bearing minor number 1");

        // Then
        assertThat(newer).isEqualTo(new KernelMessage.InitFailed(Optional.of(GPU), OptionalInt.of(3)));
        assertThat(older).isEqualTo(new KernelMessage.InitFailed(Optional.empty(), OptionalInt.of(1)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "NVRM: ",
                "NVRM: Xid (",
                "NVRM: Xid (PCI:0000:65:00): ",
                "NVRM: Xid (PCI:0000:65:00): abc",
                "NVRM: Xid (PCI:0000:65:00): -79, x",
                "NVRM: Xid (PCI:0000:65:00): 99999999999999999999, x",
                "NVRM: Xid (PCI:0000:zz:00): 79, x",
                "NVRM: Xid (PCI:0000:65:40): 79, x",
                "NVRM: Xid (PCI:000000000:65:00): 79, x",
                "NVRM: Xid (PCI:0000:65:00 GPU-I:-2): 79, x",
                "NVRM: Xid (PCI:0000:65:00 GPU-I:): 79, x",
                "NVRM: Xid (PCI:0000:65:00 whatever): 79, x",
                "NVRM: Xid (PCI:0000:65:00 GPU-I:1 GPU-CI:1 GPU-I:2 GPU-CI:3): 79, x",
                "somebody says NVRM: Xid (PCI:0000:65:00): 79",
                "audit: NVRM: Xid (PCI:0000:65:00): 79",
                "nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): garbled, Fatal",
                "nvidia-nvswitch0: SXid (0000:c3:00.0): 1, Fatal",
                "NVRM: something has fallen off the bus",
                "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.65.06"
            })
    void whatIsNotExactlyOneIsNone(String line) {
        assertThat(KernelLines.parse(line)).isNull();
    }

    @Test
    void detailsAreCutAndPrintable() {
        // When
        KernelMessage message =
                KernelLines.parse("nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 1, \u001b[31m" + "x".repeat(10_000));

        // Then
        assertThat(message)
                .isInstanceOfSatisfying(
                        KernelMessage.SwitchXid.class,
                        sxid -> assertThat(sxid.detail())
                                .hasSizeLessThanOrEqualTo(120)
                                .matches("[ -~]*"));
    }
}
