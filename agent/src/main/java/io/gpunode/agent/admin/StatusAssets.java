package io.gpunode.agent.admin;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;

/**
 * Style and script of the status page, which stand in the page itself, and the {@code Content-Security-Policy} that names them by their hashes: a
 * browser runs nothing else, whatever should get into the page. Read when the page is first asked for.
 */
record StatusAssets(String style, String script, String contentSecurityPolicy) {
    static final StatusAssets SHIPPED = read();

    private static StatusAssets read() {
        String style = "\n" + resource("status.css");
        String script = "\n" + resource("status.js");
        // The icon is a picture within the page, and the page asks for itself.
        String policy = Page.RUNS_NOTHING + "; connect-src 'self'; img-src data:; style-src " + hash(style)
                + "; script-src " + hash(script);
        return new StatusAssets(style, script, policy);
    }

    private static String resource(String name) {
        try (InputStream file = StatusAssets.class.getResourceAsStream(name)) {
            if (file == null) {
                throw new IllegalStateException("the agent's jar lacks " + name + ": install the package anew");
            }
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("reading " + name + " in the agent's jar", e);
        }
    }

    private static String hash(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return "'sha256-" + Base64.getEncoder().encodeToString(digest) + "'";
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
