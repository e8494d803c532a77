package io.gpunode.agent.doctor;

import com.electronwill.nightconfig.core.UnmodifiableConfig;
import com.electronwill.nightconfig.core.io.ParsingException;
import com.electronwill.nightconfig.toml.TomlParser;
import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * Another program's configuration, whatever it is written in, for looking into it without assuming its shape. What is not there, or is
 * something else than was asked for, is empty.
 *
 * @param values tables are maps, lists are lists, the rest are strings, numbers and truth values
 */
record Tree(Map<String, Object> values) {
    static final Tree EMPTY = new Tree(Map.of());

    /** @throws IOException when it is not TOML; the message says where */
    static Tree toml(String text) throws IOException {
        try {
            return new Tree(fromToml(new TomlParser().parse(text)));
        } catch (ParsingException e) {
            throw new IOException("it is not TOML: " + e.getMessage(), e);
        }
    }

    /** @throws IOException when it is not YAML; the message says where */
    static Tree yaml(String text) throws IOException {
        try {
            Object root = new Load(LoadSettings.builder().build()).loadFromString(text);
            return root instanceof Map<?, ?> map ? new Tree(named(map)) : EMPTY;
        } catch (YamlEngineException e) {
            throw new IOException("it is not YAML: " + e.getMessage(), e);
        }
    }

    /** @throws IOException when it is not JSON; the message says where */
    static Tree json(String text) throws IOException {
        try {
            return fromJson(JsonValue.parse(text)) instanceof Map<?, ?> map ? new Tree(named(map)) : EMPTY;
        } catch (JsonException e) {
            throw new IOException("it is not JSON: " + e.getMessage(), e);
        }
    }

    private Optional<Object> at(String... path) {
        Object here = values;
        for (String name : path) {
            here = here instanceof Map<?, ?> map ? map.get(name) : null;
        }
        return Optional.ofNullable(here);
    }

    Tree table(String... path) {
        return at(path).orElse("") instanceof Map<?, ?> map ? new Tree(named(map)) : EMPTY;
    }

    /** A string, number or truth value as text. */
    Optional<String> text(String... path) {
        return at(path).filter(value -> value instanceof String || value instanceof Number || value instanceof Boolean)
                .map(Object::toString);
    }

    Optional<Boolean> truth(String... path) {
        return at(path).filter(Boolean.class::isInstance).map(Boolean.class::cast);
    }

    /** The strings of a list; empty when there is none. */
    List<String> texts(String... path) {
        List<String> texts = new ArrayList<>();
        if (at(path).orElse("") instanceof List<?> list) {
            for (Object item : list) {
                if (item instanceof String text) {
                    texts.add(text);
                }
            }
        }
        return texts;
    }

    boolean isEmpty() {
        return values.isEmpty();
    }

    /** Both, table by table; where both say something, the other's word counts. */
    Tree overlaidBy(Tree other) {
        Map<String, Object> merged = new LinkedHashMap<>(values);
        other.values.forEach((name, value) -> merged.merge(
                name,
                value,
                (before, after) -> before instanceof Map<?, ?> under && after instanceof Map<?, ?> over
                        ? new Tree(named(under))
                                .overlaidBy(new Tree(named(over)))
                                .values()
                        : after));
        return new Tree(merged);
    }

    private static Map<String, Object> fromToml(UnmodifiableConfig config) {
        // By name, because the library keeps no order and what is told should have one.
        Map<String, Object> map = new TreeMap<>();
        for (UnmodifiableConfig.Entry entry : config.entrySet()) {
            Object value = entry.getRawValue();
            map.put(entry.getKey(), value instanceof UnmodifiableConfig table ? fromToml(table) : value);
        }
        return map;
    }

    private static Object fromJson(JsonValue value) {
        if (!value.members().isEmpty()) {
            Map<String, Object> map = new LinkedHashMap<>();
            value.members().forEach((name, member) -> map.put(name, fromJson(member)));
            return map;
        }
        if (!value.elements().isEmpty()) {
            List<Object> list = new ArrayList<>();
            value.elements().forEach(element -> list.add(fromJson(element)));
            return list;
        }
        String text = value.textOr("");
        return text.equals("true") || text.equals("false") ? Boolean.valueOf(text) : text;
    }

    private static Map<String, Object> named(Map<?, ?> map) {
        Map<String, Object> named = new LinkedHashMap<>();
        map.forEach((key, value) -> {
            if (value != null) {
                named.put(String.valueOf(key), value);
            }
        });
        return named;
    }
}
