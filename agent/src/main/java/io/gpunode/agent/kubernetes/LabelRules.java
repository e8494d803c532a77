package io.gpunode.agent.kubernetes;

/** What the API server takes as a label. One that it does not take would keep all others of the same request from being written. */
final class LabelRules {
    private static final int LONGEST_DOMAIN = 253;
    private static final int LONGEST = 63;

    private LabelRules() {}

    /** What is wrong with a label; empty when nothing is. */
    static String problem(String key, String value) {
        int slash = key.indexOf('/');
        if (slash >= 0 && !isDomain(key.substring(0, slash))) {
            return "what stands before the slash is no DNS name";
        }
        String name = key.substring(slash + 1);
        if (name.isEmpty() || !isWord(name)) {
            return "its name is not 1 to 63 letters, digits, dashes, underscores and dots that begin and end with a letter or digit";
        }
        if (!isWord(value)) {
            return "its value \"" + Texts.shortened(value, 80)
                    + "\" is not up to 63 letters, digits, dashes, underscores and dots that begin and end with a letter or digit";
        }
        return "";
    }

    private static boolean isWord(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean edge = i == 0 || i == text.length() - 1;
            if (!isLetter(c) && !isDigit(c) && !isLower(c) && (edge || (c != '-' && c != '_' && c != '.'))) {
                return false;
            }
        }
        return text.length() <= LONGEST;
    }

    private static boolean isDomain(String text) {
        if (text.isEmpty() || text.length() > LONGEST_DOMAIN) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (isLower(c) || isDigit(c)) {
                continue;
            }
            boolean inside = i > 0 && i < text.length() - 1;
            boolean afterWord = inside && text.charAt(i - 1) != '.';
            boolean beforeWord = inside && text.charAt(i + 1) != '.';
            if (c == '-' ? !afterWord || !beforeWord : c != '.' || !afterWord || text.charAt(i - 1) == '-') {
                return false;
            }
        }
        return true;
    }

    private static boolean isLetter(char c) {
        return c >= 'A' && c <= 'Z';
    }

    private static boolean isLower(char c) {
        return c >= 'a' && c <= 'z';
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }
}
