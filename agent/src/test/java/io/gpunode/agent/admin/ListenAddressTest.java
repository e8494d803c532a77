package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class ListenAddressTest {
    @ParameterizedTest
    @CsvSource({
        ":9400, [::]:9400",
        "0.0.0.0:9400, 0.0.0.0:9400",
        "[fe80::1%eth0]:9400, [fe80::1%eth0]:9400",
        "127.0.0.1:0, 127.0.0.1:0",
        "[::1]:9400, [::1]:9400",
        "localhost:65535, localhost:65535"
    })
    void readsHostAndPort(String text, String expected) {
        // When
        ListenAddress address = ListenAddress.parse(text);

        // Then
        assertThat(address).hasToString(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "9400", "localhost", ":", ":http", ":-1", ":65536", "::1:9400"})
    void refusesWhatIsNoAddress(String text) {
        // When / Then
        assertThatThrownBy(() -> ListenAddress.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("http.listen: \"" + text + "\"")
                .hasMessageContaining("write :9400");
    }
}
