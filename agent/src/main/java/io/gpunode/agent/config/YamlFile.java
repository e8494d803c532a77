package io.gpunode.agent.config;

import io.gpunode.agent.config.RawValue.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.MappingStartEvent;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.events.SequenceStartEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.resolver.ScalarResolver;

/**
 * Reads YAML 1.2 (and so JSON) into values with their places. The only class that touches the YAML library, so a start without a file does
 * not load it. Works on parser events: no object is ever made from a tag, and depth and aliases are bounded before anything is built.
 */
public final class YamlFile {
    private static final int DEEPEST = 32;
    private static final int MOST_ALIASES = 100;

    private final String name;
    private final Iterator<Event> events;
    private final ScalarResolver resolver;
    private final Map<String, RawValue> anchors = new HashMap<>();
    private final Report report;
    private Place last;
    private int aliases;

    private YamlFile(String name, String text, Report report) {
        LoadSettings settings = LoadSettings.builder()
                .setLabel(name)
                .setCodePointLimit(text.length() + 1)
                .build();
        this.name = name;
        this.events = new Parse(settings).parseString(text).iterator();
        this.resolver = settings.getSchema().getScalarResolver();
        this.report = report;
        this.last = start(name);
    }

    /**
     * The file's only document. Empty when there is none, or when it is not YAML; the report then says so.
     *
     * @param name of the file, for places
     * @param nextStep what to do about text that is not YAML
     */
    public static Optional<RawValue> read(String name, String text, String nextStep, Report report) {
        YamlFile reader = new YamlFile(name, text, report);
        try {
            return reader.document();
        } catch (Unreadable e) {
            report.problem(e.place, "", e.what, nextStep);
        } catch (MarkedYamlEngineException e) {
            Place place = e.getProblemMark().map(mark -> place(name, mark)).orElse(start(name));
            String context = e.getContext() == null ? "" : RawValue.printable(e.getContext()) + ": ";
            report.problem(place, "", "not valid YAML: " + context + RawValue.printable(e.getProblem()), nextStep);
        } catch (YamlEngineException e) {
            report.problem(
                    start(name), "", "not valid YAML: " + RawValue.printable(String.valueOf(e.getMessage())), nextStep);
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            // The library's scanner on an escape that the end of the file cuts off; it does not say where.
            report.problem(
                    reader.last,
                    "",
                    "not valid YAML: what follows cannot be read, such as an escape like \\u0041 that is not complete",
                    nextStep);
        }
        return Optional.empty();
    }

    /** The first character of the file. */
    public static Place start(String name) {
        return Place.file(name, 1, 1);
    }

    private Optional<RawValue> document() throws Unreadable {
        Optional<RawValue> root = Optional.empty();
        int documents = 0;
        while (events.hasNext()) {
            Event event = events.next();
            if (event.getEventId() == Event.ID.DocumentStart) {
                documents++;
                if (documents > 1) {
                    throw new Unreadable(place(event), "the file holds more than one document");
                }
            } else if (event instanceof NodeEvent node) {
                root = Optional.of(value(node, 0));
            }
        }
        return root;
    }

    private RawValue value(NodeEvent event, int depth) throws Unreadable {
        Place place = place(event);
        if (depth > DEEPEST) {
            throw new Unreadable(place, "values are nested more than " + DEEPEST + " deep");
        }
        if (event instanceof AliasEvent alias) {
            aliases++;
            RawValue target = anchors.get(alias.getAlias().getValue());
            if (target == null || aliases > MOST_ALIASES) {
                throw new Unreadable(
                        place,
                        target == null
                                ? "the alias \""
                                        + RawValue.printable(alias.getAlias().getValue()) + "\" has no anchor before it"
                                : "there are more than " + MOST_ALIASES + " aliases");
            }
            return target;
        }
        RawValue value = switch (event) {
            case ScalarEvent scalar -> RawValue.scalar(kind(scalar), scalar.getValue(), place);
            case SequenceStartEvent _ -> list(place, depth);
            case MappingStartEvent _ -> block(place, depth);
            default -> throw new Unreadable(place, "an unexpected " + event.getEventId());
        };
        event.getAnchor().ifPresent(anchor -> anchors.put(anchor.getValue(), value));
        return value;
    }

    private RawValue list(Place place, int depth) throws Unreadable {
        List<RawValue> items = new ArrayList<>();
        while (events.next() instanceof NodeEvent item) {
            items.add(value(item, depth + 1));
        }
        return new RawValue(Kind.LIST, "", items, List.of(), place);
    }

    private RawValue block(Place place, int depth) throws Unreadable {
        List<RawValue.Key> keys = new ArrayList<>();
        List<RawValue> values = new ArrayList<>();
        Map<String, Place> seen = new HashMap<>();
        while (events.next() instanceof NodeEvent keyEvent) {
            RawValue key = value(keyEvent, depth + 1);
            RawValue value = value((NodeEvent) events.next(), depth + 1);
            Place at = place(keyEvent);
            if (key.is(Kind.LIST) || key.is(Kind.BLOCK)) {
                report.problem(at, "", "a key is " + key.kind().words(), "write a plain word as the key");
                continue;
            }
            Place first = seen.putIfAbsent(key.text(), at);
            if (first != null) {
                report.problem(
                        at,
                        "",
                        "the key \"" + RawValue.printable(key.text()) + "\" is given twice, first at "
                                + first.problemText(),
                        "keep one of the two");
                continue;
            }
            keys.add(new RawValue.Key(key.text(), at));
            values.add(value);
        }
        return new RawValue(Kind.BLOCK, "", values, keys, place);
    }

    private Kind kind(ScalarEvent scalar) throws Unreadable {
        if (scalar.getTag().isPresent() && !scalar.getTag().get().equals(Tag.STR.getValue())) {
            throw new Unreadable(
                    place(scalar),
                    "the tag \"" + RawValue.printable(scalar.getTag().get()) + "\" is not allowed");
        }
        if (scalar.getTag().isPresent() || !scalar.isPlain()) {
            return Kind.STRING;
        }
        Tag tag = resolver.resolve(scalar.getValue(), true);
        if (tag.equals(Tag.BOOL)) {
            return Kind.BOOLEAN;
        }
        if (tag.equals(Tag.INT) || tag.equals(Tag.FLOAT)) {
            return Kind.NUMBER;
        }
        return tag.equals(Tag.NULL) ? Kind.NULL : Kind.STRING;
    }

    private Place place(Event event) {
        last = event.getStartMark().map(mark -> place(name, mark)).orElse(last);
        return last;
    }

    private static Place place(String name, Mark mark) {
        return Place.file(name, mark.getLine() + 1, mark.getColumn() + 1);
    }

    /** The whole file is refused. */
    private static final class Unreadable extends Exception {
        private final transient Place place;
        private final String what;

        Unreadable(Place place, String what) {
            super(what);
            this.place = place;
            this.what = what;
        }
    }
}
