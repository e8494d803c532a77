package io.gpunode.agent.attribution;

import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/** Which labels of pods are wanted. */
public final class PodLabelFilter {
    private PodLabelFilter() {}

    /**
     * Takes names in which one of the expressions is found.
     *
     * @param expressions regular ones; empty for every name
     */
    public static Predicate<String> of(List<String> expressions) {
        if (expressions.isEmpty()) {
            return _ -> true;
        }
        List<Pattern> patterns = expressions.stream().map(Pattern::compile).toList();
        return name -> {
            for (Pattern pattern : patterns) {
                if (pattern.matcher(name).find()) {
                    return true;
                }
            }
            return false;
        };
    }
}
