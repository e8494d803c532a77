package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class SimulateCommandTest {
    @ParameterizedTest
    @CsvSource({
        "--kubernetes-api=auto,true",
        "--kubernetes-api auto,true",
        "--kubeconfig=/k,true",
        "--kubeconfig /k,true",
        "--kubernetes-kubeconfig=/k,true",
        "--kubernetes-events=false,false",
        "--kubernetes-node-condition,false",
        "--kubeconfigs=/k,false",
        "--profile 8xh100,false",
    })
    void onlyWhoNamesTheApiServerIsConnectedToIt(String arguments, boolean asks) {
        // When
        boolean asked = SimulateCommand.asksForApiServer(List.of(arguments.split(" ")));

        // Then
        assertThat(asked).isEqualTo(asks);
    }
}
