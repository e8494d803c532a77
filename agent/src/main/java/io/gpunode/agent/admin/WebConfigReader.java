package io.gpunode.agent.admin;

import io.gpunode.agent.config.FileStamps;
import io.gpunode.agent.config.GoDuration;
import io.gpunode.agent.config.Place;
import io.gpunode.agent.config.RawValue;
import io.gpunode.agent.config.RawValue.Kind;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.Suggestion;
import io.gpunode.agent.config.TextFile;
import io.gpunode.agent.config.YamlFile;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Reads a web configuration file: the grammar of Prometheus' exporter-toolkit (its {@code docs/web-configuration.md}, version 0.17). Every problem is
 * told with its place; a secret is never part of what is told. Owned by one reading.
 */
final class WebConfigReader {
    private static final String NEXT_STEP = "see docs/http.md for what may stand in a web configuration";

    private static final List<String> BLOCKS =
            List.of("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit");

    /** Headers that may be set, each with the values that it may have; none for any. */
    private static final Map<String, List<String>> HEADERS = Map.of(
            "Strict-Transport-Security", List.of(),
            "X-Content-Type-Options", List.of("nosniff"),
            "X-Frame-Options", List.of("deny", "sameorigin"),
            "X-XSS-Protection", List.of(),
            "Content-Security-Policy", List.of());

    private static final int MOST_USERS = 1_000;
    private static final int LEAST_COST = 4;
    private static final int SLOW_COST = 14;
    /** Above it, a single check takes minutes. */
    private static final int MOST_COST = 18;

    private static final int HASH_LENGTH = 60;

    private final Path file;
    private final Report report;
    private final Instant now;
    private final Map<Path, String> stamps = new HashMap<>();

    /** @param now for what a certificate's dates mean */
    WebConfigReader(Path file, Report report, Instant now) {
        this.file = file;
        this.report = report;
        this.now = now;
    }

    /** In which state the files were found, each taken before it was read. */
    FileStamps stamps() {
        return new FileStamps(stamps);
    }

    /**
     * Reads it and the files that it names; empty when it cannot be used, which is then reported.
     *
     * @param inForce what is in force; {@link WebConfig#NONE} at the start. A file in which nothing stands, or a key of it without a value, may be one
     *     that is just being written: it ends nothing that is in force
     */
    Optional<WebConfig> read(WebConfig inForce) {
        Optional<String> text = text(file);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        Optional<RawValue> root = YamlFile.read(file.toString(), text.get(), NEXT_STEP, report);
        if (!report.problems().isEmpty()) {
            return Optional.empty();
        }
        if (root.isEmpty() || root.get().is(Kind.NULL)) {
            if (!inForce.equals(WebConfig.NONE)) {
                report.problem(
                        Place.file(file.toString()),
                        "",
                        "nothing stands in it, and the configuration in force does not ask for plain HTTP",
                        "write {} if plain HTTP for everybody is meant");
                return Optional.empty();
            }
            report.notice(
                    Place.file(file.toString()),
                    "",
                    "nothing stands in it: plain HTTP for everybody",
                    "write tls_server_config or basic_auth_users");
            return Optional.of(WebConfig.NONE);
        }
        Map<String, RawValue> blocks = members(root.get(), "", BLOCKS);
        keepInForce(root.get(), "tls_server_config", inForce.tls().isPresent());
        keepInForce(root.get(), "http_server_config", !inForce.headers().isEmpty());
        keepInForce(root.get(), "basic_auth_users", !inForce.users().isEmpty());
        keepInForce(root.get(), "rate_limit", inForce.rate().isPresent());
        Map<String, String> headers = headers(blocks);
        Map<String, String> users = users(blocks);
        Optional<WebConfig.Rate> rate = rate(blocks);
        RawValue tlsBlock = blocks.get("tls_server_config");
        Optional<ServerTls> tls = tlsBlock == null
                ? Optional.empty()
                : new ServerTlsReader(file, tlsBlock, this, report, now).read(inForce.tls());
        if (!report.problems().isEmpty()) {
            return Optional.empty();
        }
        RawValue usersBlock = blocks.get("basic_auth_users");
        if (tls.isEmpty() && usersBlock != null && !users.isEmpty()) {
            report.notice(
                    usersBlock.place(),
                    "basic_auth_users",
                    "passwords cross the network unencrypted without tls_server_config",
                    "add tls_server_config, or let nobody else into that network");
        }
        return Optional.of(new WebConfig(tls, users, headers, rate));
    }

    /** Reports a key that stands there without a value while what it means is in force: who wants that to end writes so. */
    void keepInForce(RawValue block, String name, boolean inForce) {
        if (!inForce || !block.is(Kind.BLOCK)) {
            return;
        }
        for (int i = 0; i < block.keys().size(); i++) {
            if (block.keys().get(i).name().equals(name) && block.items().get(i).is(Kind.NULL)) {
                report.problem(
                        block.keys().get(i).place(),
                        name,
                        "has no value, and the configuration in force has one",
                        "write its value, or leave the key out if that is to end");
            }
        }
    }

    /** A file's text, whose change makes the configuration be read again. */
    Optional<String> text(Path path) {
        stamps.put(path, FileStamps.of(path));
        return TextFile.read(path, report);
    }

    /** The members of a block; what is no block, and what is not known in it, is reported. Members without a value are left out. */
    Map<String, RawValue> members(RawValue block, String name, List<String> known) {
        Map<String, RawValue> members = new LinkedHashMap<>();
        if (!block.is(Kind.BLOCK)) {
            if (!block.is(Kind.NULL)) {
                report.problem(
                        block.place(),
                        name,
                        "is " + block.kind().words() + ", not a block of keys",
                        "write it as key: value, one on a line");
            }
            return members;
        }
        for (int i = 0; i < block.keys().size(); i++) {
            RawValue.Key key = block.keys().get(i);
            RawValue value = block.items().get(i);
            if (!known.isEmpty() && !known.contains(key.name())) {
                Optional<String> near = Suggestion.nearest(key.name(), known);
                report.problem(
                        key.place(),
                        name,
                        "the key \"" + RawValue.printable(key.name()) + "\" is not known"
                                + near.map(meant -> ", did you mean \"" + meant + "\"?")
                                        .orElse(""),
                        "write one of " + String.join(", ", known));
            } else if (!value.is(Kind.NULL)) {
                members.put(key.name(), value);
            }
        }
        return members;
    }

    /** A member's text, as any scalar may be meant; empty when it is not there, or is reported. */
    String scalar(Map<String, RawValue> members, String name) {
        RawValue value = members.get(name);
        if (value == null) {
            return "";
        }
        if (value.is(Kind.LIST) || value.is(Kind.BLOCK)) {
            report.problem(value.place(), name, "is " + value.kind().words(), "write one text");
            return "";
        }
        return value.text();
    }

    /** A member that is true or false, in any of the words of YAML 1.1, which exporters read. */
    boolean bool(Map<String, RawValue> members, String name, boolean otherwise) {
        RawValue value = members.get(name);
        if (value == null) {
            return otherwise;
        }
        return switch (value.text().toLowerCase(Locale.ROOT)) {
            case "true", "yes", "on", "y" -> true;
            case "false", "no", "off", "n" -> false;
            default -> {
                report.problem(value.place(), name, value.shown() + " is not a truth value", "write true or false");
                yield otherwise;
            }
        };
    }

    /** A member that is a list of texts. */
    List<RawValue> list(Map<String, RawValue> members, String name) {
        RawValue value = members.get(name);
        if (value == null) {
            return List.of();
        }
        if (!value.is(Kind.LIST)) {
            report.problem(value.place(), name, value.shown() + " is not a list", "write it as - item, one on a line");
            return List.of();
        }
        List<RawValue> items = new ArrayList<>();
        for (RawValue item : value.items()) {
            if (item.is(Kind.LIST) || item.is(Kind.BLOCK) || item.is(Kind.NULL)) {
                report.problem(item.place(), name, "is " + item.kind().words(), "write one text");
            } else {
                items.add(item);
            }
        }
        return items;
    }

    private Map<String, String> headers(Map<String, RawValue> blocks) {
        Map<String, String> headers = new LinkedHashMap<>();
        RawValue block = blocks.get("http_server_config");
        if (block == null) {
            return headers;
        }
        Map<String, RawValue> members = members(block, "http_server_config", List.of("http2", "headers"));
        // HTTP/2 is an offer of the server, which every client can do without; what is said about it is only checked.
        var _ = bool(members, "http2", true);
        RawValue list = members.get("headers");
        if (list == null) {
            return headers;
        }
        Map<String, RawValue> wanted =
                members(list, "headers", HEADERS.keySet().stream().sorted().toList());
        for (Map.Entry<String, RawValue> entry : wanted.entrySet()) {
            String value = scalar(wanted, entry.getKey());
            List<String> allowed = HEADERS.getOrDefault(entry.getKey(), List.of());
            if (!allowed.isEmpty() && !allowed.contains(value)) {
                report.problem(
                        entry.getValue().place(),
                        entry.getKey(),
                        entry.getValue().shown() + " is not one of its values",
                        "write " + String.join(" or ", allowed));
            } else if (!isHeaderValue(value)) {
                report.problem(
                        entry.getValue().place(),
                        entry.getKey(),
                        entry.getValue().shown() + " is not the value of a header",
                        "write it on one line, in ASCII");
            } else if (!value.isEmpty()) {
                headers.put(entry.getKey(), value);
            }
        }
        return headers;
    }

    private static boolean isHeaderValue(String value) {
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if ((c < ' ' && c != '\t') || c > '~') {
                return false;
            }
        }
        return value.equals(value.strip());
    }

    private Map<String, String> users(Map<String, RawValue> blocks) {
        Map<String, String> users = new LinkedHashMap<>();
        RawValue block = blocks.get("basic_auth_users");
        if (block == null) {
            return users;
        }
        Map<String, RawValue> members = members(block, "basic_auth_users", List.of());
        if (block.is(Kind.BLOCK) && block.keys().size() > members.size()) {
            report.problem(
                    block.place(),
                    "basic_auth_users",
                    "a user has no hash",
                    "write the hash of the password, such as htpasswd -nBC 10 \"\" prints, after each user");
        }
        if (members.size() > MOST_USERS) {
            report.problem(
                    block.place(),
                    "basic_auth_users",
                    "there are " + members.size() + " users",
                    "write at most " + MOST_USERS + ", or use client certificates");
            return users;
        }
        for (Map.Entry<String, RawValue> entry : members.entrySet()) {
            String hash = scalar(members, entry.getKey());
            String user = "basic_auth_users." + RawValue.printable(entry.getKey());
            if (!isBcrypt(hash)) {
                report.problem(
                        entry.getValue().place(),
                        user,
                        "what stands there is not a bcrypt hash",
                        "write what htpasswd -nBC 10 \"\" prints after the colon");
                continue;
            }
            int cost = Integer.parseInt(hash.substring(4, 6));
            if (cost < LEAST_COST || cost > MOST_COST) {
                report.problem(
                        entry.getValue().place(),
                        user,
                        "the cost of the hash is " + cost,
                        "make one of cost " + LEAST_COST + " to " + MOST_COST + "; 10 is usual");
                continue;
            }
            if (cost >= SLOW_COST) {
                report.notice(
                        entry.getValue().place(),
                        user,
                        "the cost of the hash is " + cost + ": the first request takes seconds",
                        "make one of cost 10");
            }
            users.put(entry.getKey(), hash);
        }
        return users;
    }

    private static boolean isBcrypt(String hash) {
        if (hash.length() != HASH_LENGTH || hash.charAt(0) != '$' || hash.charAt(1) != '2' || hash.charAt(6) != '$') {
            return false;
        }
        if ("abxy".indexOf(hash.charAt(2)) < 0 || hash.charAt(3) != '$') {
            return false;
        }
        for (int i = 4; i < hash.length(); i++) {
            char c = hash.charAt(i);
            boolean digit = c >= '0' && c <= '9';
            boolean letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            boolean good = i < 6 ? digit : i == 6 || digit || letter || c == '.' || c == '/';
            if (!good) {
                return false;
            }
        }
        return true;
    }

    private Optional<WebConfig.Rate> rate(Map<String, RawValue> blocks) {
        RawValue block = blocks.get("rate_limit");
        if (block == null) {
            return Optional.empty();
        }
        Map<String, RawValue> members = members(block, "rate_limit", List.of("interval", "burst"));
        RawValue interval = members.get("interval");
        Duration every = Duration.ZERO;
        if (interval != null) {
            String text = interval.is(Kind.NUMBER) ? interval.text() + "ns" : scalar(members, "interval");
            Optional<Duration> read = GoDuration.parse(text);
            if (read.isEmpty() || read.get().isNegative() || read.get().compareTo(Duration.ofHours(1)) > 0) {
                report.problem(
                        interval.place(),
                        "rate_limit.interval",
                        interval.shown() + " is not a duration up to 1h",
                        "write one such as 1s, or 0 for no limit");
                return Optional.empty();
            }
            every = read.get();
        }
        RawValue burst = members.get("burst");
        int most = 0;
        if (burst != null) {
            try {
                most = Integer.parseInt(burst.text());
            } catch (NumberFormatException e) {
                most = -1;
            }
        }
        if (every.isZero() && most >= 0) {
            return Optional.empty();
        }
        if (most < 1 || most > 1_000_000) {
            report.problem(
                    burst == null ? block.place() : burst.place(),
                    "rate_limit.burst",
                    burst == null
                            ? "is missing: no request would ever be answered"
                            : burst.shown() + " is not from 1 to 1000000",
                    "write how many requests may come at once, such as 20");
            return Optional.empty();
        }
        return Optional.of(new WebConfig.Rate(every, most));
    }
}
