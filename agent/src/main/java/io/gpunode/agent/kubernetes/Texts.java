package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import java.io.IOException;

/** Texts that come from elsewhere or go into objects of limited size. */
final class Texts {
    /** As many as fit a small heap; the metadata of a node has some hundred. */
    private static final int MOST_VALUES = 32_768;

    private Texts() {}

    /**
     * Reads JSON that somebody else wrote.
     *
     * @throws IOException when it is none, or has so many values that it is no object that the agent asks for
     */
    static JsonValue json(String text) throws IOException {
        try {
            return JsonValue.parse(text, MOST_VALUES);
        } catch (JsonException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /** At most {@code limit} characters of it on one line; what was cut off is marked. */
    static String shortened(String text, int limit) {
        StringBuilder out = new StringBuilder(Math.min(text.length(), limit));
        for (int i = 0; i < text.length(); i++) {
            if (out.length() == limit - 1) {
                return out.append('…').toString();
            }
            char c = text.charAt(i);
            out.append(Character.isISOControl(c) ? ' ' : c);
        }
        return out.toString();
    }
}
