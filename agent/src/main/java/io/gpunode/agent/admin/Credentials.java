package io.gpunode.agent.admin;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Optional;

/**
 * A user and a password as RFC 7617 sends them.
 *
 * @param password UTF-8 by custom; compared as bytes
 */
@SuppressWarnings("ArrayRecordComponent") // Never compared, and read only.
record Credentials(String user, byte[] password) {
    private static final String SCHEME = "basic ";

    /** Reads the header {@code Authorization}; empty when it holds no credentials of this kind. */
    static Optional<Credentials> parse(String header) {
        if (!header.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return Optional.empty();
        }
        byte[] both;
        try {
            both = Base64.getDecoder().decode(header.substring(SCHEME.length()).strip());
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
        int colon = 0;
        while (colon < both.length && both[colon] != ':') {
            colon++;
        }
        if (colon == both.length) {
            return Optional.empty();
        }
        try {
            String user = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(both, 0, colon))
                    .toString();
            return Optional.of(new Credentials(user, Arrays.copyOfRange(both, colon + 1, both.length)));
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }

    @Override
    public String toString() {
        return "Credentials of a user";
    }
}
