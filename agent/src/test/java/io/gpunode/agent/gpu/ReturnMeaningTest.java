package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.nvml.NvmlReturn;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(10)
class ReturnMeaningTest {
    @ParameterizedTest
    @CsvSource({
        "SUCCESS, SUCCESS",
        "NOT_SUPPORTED, UNSUPPORTED",
        "FUNCTION_NOT_FOUND, UNSUPPORTED",
        "ARGUMENT_VERSION_MISMATCH, UNSUPPORTED",
        "NO_PERMISSION, UNSUPPORTED",
        "GPU_IS_LOST, LOST",
        "RESET_REQUIRED, RESET_NEEDED",
        "DRIVER_NOT_LOADED, DRIVER_GONE",
        "UNINITIALIZED, DRIVER_GONE",
        "LIB_RM_VERSION_MISMATCH, DRIVER_GONE",
        "TIMEOUT, TRANSIENT",
        "UNKNOWN, TRANSIENT"
    })
    void codesThatMatterHaveTheirMeaning(NvmlReturn code, ReturnMeaning meaning) {
        assertThat(ReturnMeaning.of(code.code())).isEqualTo(meaning);
    }

    @ParameterizedTest
    @EnumSource(NvmlReturn.class)
    void onlySuccessMeansSuccess(NvmlReturn code) {
        assertThat(ReturnMeaning.of(code.code()) == ReturnMeaning.SUCCESS).isEqualTo(code == NvmlReturn.SUCCESS);
    }

    @Test
    void aCodeWithoutANameIsTransient() {
        assertThat(ReturnMeaning.of(4711)).isEqualTo(ReturnMeaning.TRANSIENT);
    }
}
