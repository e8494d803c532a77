package io.gpunode.agent.labels;

/**
 * Makes texts into what Kubernetes takes: a value of a label is empty, or at most {@value #LONGEST} of letters, digits, {@code -}, {@code _} and
 * {@code .} that begins and ends with a letter or digit; so is the part of a key behind its prefix, which is never empty. Pure.
 */
final class LabelText {
    /** Of a value, and of a key's part behind the slash. */
    static final int LONGEST = 63;

    /** Hexadecimal digits of what tells a cut name from others that begin alike. */
    private static final int DIGEST_LENGTH = 8;

    /** A name of which nothing is left; the one that a GPU has in the picture when NVML does not tell any. */
    private static final String NO_NAME = "unknown";

    private LabelText() {}

    /**
     * As GPU feature discovery writes names: characters that no label has are left out, runs of spaces become one {@code -}. Not limited in length,
     * and may begin and end with any of the characters.
     */
    static String sanitised(String text) {
        StringBuilder clean = new StringBuilder(text.length());
        boolean space = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == ' ') {
                space = true;
            } else if (isLabelCharacter(c)) {
                if (space && !clean.isEmpty()) {
                    clean.append('-');
                }
                space = false;
                clean.append(c);
            }
        }
        return clean.toString();
    }

    /** A value: what no label has is left out as above, what it may not begin or end with as well, and it is cut to the length. */
    static String value(String text) {
        return trimmed(sanitised(text), LONGEST);
    }

    /**
     * A product's name, which is never empty, with an end that has to stay: the name before it is cut.
     *
     * @param end of label characters only, with a letter or digit at its end; may be empty
     */
    static String value(String name, String end) {
        return named(trimmed(sanitised(name), LONGEST - end.length())) + end;
    }

    /**
     * A name as a part of a key. Long names that differ stay different: what is cut is replaced by a number made of the whole.
     *
     * @param longest characters, 20 or more
     */
    static String keyPart(String name, int longest) {
        String clean = named(trimmed(sanitised(name), Integer.MAX_VALUE));
        if (clean.length() <= longest) {
            return clean;
        }
        String digest = Integer.toHexString(clean.hashCode());
        return trimmed(clean, longest - DIGEST_LENGTH - 1) + "-" + digest;
    }

    private static String named(String clean) {
        return clean.isEmpty() ? NO_NAME : clean;
    }

    /** From the first to the last letter or digit, at most that long. */
    private static String trimmed(String text, int longest) {
        int begin = 0;
        while (begin < text.length() && !isLetterOrDigit(text.charAt(begin))) {
            begin++;
        }
        int end = text.length() - begin > longest ? begin + longest : text.length();
        while (end > begin && !isLetterOrDigit(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(begin, end);
    }

    private static boolean isLabelCharacter(char c) {
        return isLetterOrDigit(c) || c == '-' || c == '_' || c == '.';
    }

    private static boolean isLetterOrDigit(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    }
}
