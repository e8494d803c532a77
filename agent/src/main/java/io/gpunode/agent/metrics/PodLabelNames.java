package io.gpunode.agent.metrics;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Names of Prometheus labels for the names of pod labels: what Prometheus does not allow becomes an underscore, as with dcgm-exporter. A name that
 * another label of the series has gets a prefix, and names that become the same are numbered in the order of the originals; nothing is lost. Pure.
 */
final class PodLabelNames {
    private static final String PREFIX = "pod_label_";

    private PodLabelNames() {}

    /**
     * The labels under their new names, sorted.
     *
     * @param taken names of the series' other labels
     */
    static Map<String, String> of(Map<String, String> labels, Set<String> taken) {
        Map<String, Integer> uses = new HashMap<>();
        labels.keySet().forEach(key -> uses.merge(name(key, taken), 1, Integer::sum));
        Map<String, Integer> numbers = new HashMap<>();
        Map<String, String> named = new TreeMap<>();
        new TreeMap<>(labels).forEach((key, value) -> {
            String name = name(key, taken);
            if (uses.getOrDefault(name, 0) > 1) {
                String base = name;
                do {
                    name = base + "_conflict" + numbers.merge(base, 1, Integer::sum);
                } while (uses.containsKey(name));
            }
            named.put(name, value);
        });
        return named;
    }

    private static String name(String key, Set<String> taken) {
        StringBuilder name = new StringBuilder(key.length() + 1);
        for (int i = 0; i < key.length(); i++) {
            char c = key.charAt(i);
            boolean digit = c >= '0' && c <= '9';
            if (digit && name.isEmpty()) {
                name.append('_');
            }
            name.append((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || digit ? c : '_');
        }
        String text = name.toString();
        // Two underscores in front are Prometheus's own, and a number follows the one.
        return taken.contains(text) || text.startsWith("__") || text.equals("_") || text.isEmpty()
                ? PREFIX + text
                : text;
    }
}
