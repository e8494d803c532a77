package io.gpunode.agent.monitoring;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The names in a PromQL expression: each metric with the labels that are asked of it, and the labels that it is grouped or joined by. Knows the words
 * that the shipped rules and dashboards use; that an expression is one is for Prometheus to say.
 */
record PromQl(Map<String, Set<String>> metrics, Set<String> labels) {
    private static final Pattern TOKEN =
            Pattern.compile("\"(?:[^\"\\\\]|\\\\.)*\"|\\[[^]]*]|[A-Za-z_:][A-Za-z0-9_:]*|[0-9][0-9a-z.]*|\\S");
    private static final Pattern NAME = Pattern.compile("[A-Za-z_:][A-Za-z0-9_:]*");
    private static final Set<String> LISTS = Set.of("by", "without", "on", "ignoring", "group_left", "group_right");
    private static final Set<String> WORDS = Set.of("and", "or", "unless", "bool", "offset");

    static PromQl of(String expression) {
        List<String> tokens =
                TOKEN.matcher(expression).results().map(match -> match.group()).toList();
        Map<String, Set<String>> metrics = new TreeMap<>();
        Set<String> labels = new TreeSet<>();
        for (int i = 0; i < tokens.size(); i++) {
            String token = tokens.get(i);
            String next = i + 1 < tokens.size() ? tokens.get(i + 1) : "";
            if (!NAME.matcher(token).matches() || WORDS.contains(token.toLowerCase(Locale.ROOT))) {
                continue;
            }
            if (LISTS.contains(token)) {
                for (i += 2; i < tokens.size() && !tokens.get(i).equals(")"); i++) {
                    if (!tokens.get(i).equals(",")) {
                        labels.add(tokens.get(i));
                    }
                }
            } else if (!next.equals("(") && !(LISTS.contains(next) && !metricBeforeList(tokens, i))) {
                Set<String> asked = metrics.computeIfAbsent(token, _ -> new TreeSet<>());
                if (next.equals("{")) {
                    for (i += 2; i < tokens.size() && !tokens.get(i).equals("}"); i++) {
                        if (NAME.matcher(tokens.get(i)).matches()) {
                            asked.add(tokens.get(i));
                        }
                    }
                }
            }
        }
        return new PromQl(metrics, labels);
    }

    /** Whether what stands before {@code by (…)} is a metric rather than an aggregation: {@code a on (b) c}, not {@code sum by (b) (c)}. */
    private static boolean metricBeforeList(List<String> tokens, int at) {
        return !Set.of("by", "without").contains(tokens.get(at + 1));
    }

    /** The labels of a line of the exposition format. */
    static Set<String> labelsOf(String series) {
        Set<String> labels = new TreeSet<>();
        Matcher matcher = Pattern.compile("[{,]([A-Za-z_][A-Za-z0-9_]*)=\"").matcher(series);
        while (matcher.find()) {
            labels.add(matcher.group(1));
        }
        return labels;
    }
}
