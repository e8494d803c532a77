package io.gpunode.agent.config;

import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Names of extended resources in their order: a list, or one text with commas. */
final class ResourceNames implements SettingType<Set<String>> {
    @Override
    public String describe() {
        return "list of extended resources";
    }

    @Override
    public Optional<Set<String>> read(RawValue value, String setting, Report report) {
        Optional<List<RawValue>> items = SettingTypes.items(value, setting, report);
        if (items.isEmpty()) {
            return Optional.empty();
        }
        Set<String> names = new LinkedHashSet<>();
        boolean good = true;
        for (RawValue item : items.get()) {
            String name = item.text().strip();
            if (item.isText() && SettingTypes.isResource(name)) {
                names.add(name);
            } else {
                report.problem(
                        item.place(),
                        setting,
                        item.shown() + " is not an extended resource",
                        "write domain/name, such as acme.com/gpu");
                good = false;
            }
        }
        return good ? Optional.of(Collections.unmodifiableSet(names)) : Optional.empty();
    }

    @Override
    public String text(Set<String> value) {
        return String.join(",", value);
    }
}
