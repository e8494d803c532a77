package io.gpunode.agent.packaging;

import com.marcnuri.helm.Helm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A program that renders a chart with each of some values files: the native library of Helm brings Go's runtime and its signal handlers, which have no
 * business in the process of all tests.
 */
public final class HelmRender {
    private HelmRender() {}

    /** @param arguments the chart, the folder of results and the values files: of {@code a.yaml} come {@code a.yaml} or {@code a.error} */
    public static void main(String[] arguments) throws IOException {
        Path results = Path.of(arguments[1]);
        for (int i = 2; i < arguments.length; i++) {
            Path values = Path.of(arguments[i]);
            String name = values.getFileName().toString();
            try {
                String rendered = new Helm(Path.of(arguments[0]))
                        .template()
                        .withName("gpu-node-agent")
                        .withNamespace("gpu-node-agent")
                        .withValuesFile(values)
                        .call();
                Files.writeString(results.resolve(name), rendered);
            } catch (IllegalStateException e) {
                Files.writeString(results.resolve(name.replace(".yaml", ".error")), String.valueOf(e.getMessage()));
            }
        }
    }
}
