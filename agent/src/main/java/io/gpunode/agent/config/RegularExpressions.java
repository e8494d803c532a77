package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Regular expressions in their order: a list, or one text with commas. A name fits when one of them is found in it. */
final class RegularExpressions implements SettingType<List<String>> {
    private static final int MOST = 64;
    private static final int LONGEST = 256;

    @Override
    public String describe() {
        return "list of regular expressions";
    }

    @Override
    public Optional<List<String>> read(RawValue value, String setting, Report report) {
        Optional<List<RawValue>> items = SettingTypes.items(value, setting, report);
        if (items.isEmpty()) {
            return Optional.empty();
        }
        List<String> expressions = new ArrayList<>();
        boolean good = true;
        for (RawValue item : items.get()) {
            String text = item.text().strip();
            String wrong = item.isText() ? wrong(text) : "is no text";
            if (wrong.isEmpty()) {
                expressions.add(text);
            } else {
                report.problem(item.place(), setting, item.shown() + " " + wrong, "write an expression such as ^app$");
                good = false;
            }
        }
        if (expressions.size() > MOST) {
            report.problem(
                    value.place(), setting, "there are more than " + MOST + " expressions", "join some of them with |");
            return Optional.empty();
        }
        return good ? Optional.of(List.copyOf(expressions)) : Optional.empty();
    }

    @Override
    public String text(List<String> value) {
        return String.join(",", value);
    }

    /** Empty for nothing. */
    private static String wrong(String text) {
        if (text.isEmpty() || text.length() > LONGEST) {
            return text.isEmpty() ? "is empty" : "is longer than " + LONGEST + " characters";
        }
        try {
            Pattern.compile(text);
            return "";
        } catch (PatternSyntaxException e) {
            return "is no regular expression (" + e.getDescription() + ")";
        }
    }
}
