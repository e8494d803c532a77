package io.gpunode.agent.admin;

/** Text of a page under construction. What comes from outside goes in through {@link #text} only. */
final class Html {
    private final StringBuilder out;

    Html(int capacity) {
        out = new StringBuilder(capacity);
    }

    /** Appends markup of the page's own. */
    Html raw(String markup) {
        out.append(markup);
        return this;
    }

    /** Appends a number. */
    Html raw(long number) {
        out.append(number);
        return this;
    }

    /** Appends any text, harmless in an element and in a quoted attribute; control characters become U+FFFD. */
    Html text(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> out.append(Character.isISOControl(c) ? '\uFFFD' : c);
            }
        }
        return this;
    }

    @Override
    public String toString() {
        return out.toString();
    }
}
