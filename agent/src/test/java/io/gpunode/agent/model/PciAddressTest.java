package io.gpunode.agent.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PciAddressTest {
    @ParameterizedTest
    @CsvSource({
        "0000:1b:00.0, 0000:1b:00.0, 00000000:1B:00.0",
        "00000001:AF:1F.7, 0001:af:1f.7, 00000001:AF:1F.7",
        "10000:e1:00.1, 10000:e1:00.1, 00010000:E1:00.1",
        "ffffffff:00:00.0, ffffffff:00:00.0, FFFFFFFF:00:00.0"
    })
    void isWrittenAsTheKernelAndAsNvmlWriteIt(String text, String kernel, String nvml) {
        // Given
        PciAddress address = PciAddress.parse(text);

        // When
        String sysfsName = address.sysfsName();

        // Then
        assertThat(sysfsName).isEqualTo(kernel);
        assertThat(address.nvmlName()).isEqualTo(nvml);
        assertThat(PciAddress.parse(sysfsName)).isEqualTo(address);
    }
}
