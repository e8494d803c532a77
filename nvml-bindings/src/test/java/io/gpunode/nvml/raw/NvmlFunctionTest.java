package io.gpunode.nvml.raw;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The table of functions, the interface and the class with the native methods name the same things. */
class NvmlFunctionTest {
    @Test
    void everyFunctionIsOneMethodOfTheInterface() {
        assertThat(Arrays.stream(NvmlApi.class.getDeclaredMethods()).map(Method::getName))
                .containsExactlyInAnyOrderElementsOf(
                        Arrays.stream(NvmlFunction.values()).map(Enum::name).toList());
    }

    @Test
    void directMappingTakesPrimitivesOnly() {
        List<Method> natives = Arrays.stream(DirectNvmlApi.class.getDeclaredMethods())
                .filter(method -> Modifier.isNative(method.getModifiers()))
                .toList();
        assertThat(natives).hasSameSizeAs(NvmlFunction.values());
        assertThat(natives)
                .allSatisfy(method -> assertThat(method.getParameterTypes()).allMatch(Class::isPrimitive));
    }

    @Test
    void noSymbolServesTwoFunctions() {
        assertThat(Arrays.stream(NvmlFunction.values()).flatMap(function -> function.symbols().stream()))
                .doesNotHaveDuplicates();
    }
}
