package io.gpunode.agent.kubernetes;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * Reads the current context of a kubeconfig file (kubectl's format {@code v1}). Relative file names in it are relative to it. Programs that make
 * credentials ({@code exec}, {@code auth-provider}) and passwords are refused by name: the agent runs no foreign program.
 */
final class Kubeconfig {
    private static final int LARGEST_BYTES = 1 << 20;
    private static final int MOST_ALIASES = 50;
    /** What never leaves the machine; other names could lead anywhere. */
    private static final Pattern LOOPBACK = Pattern.compile("localhost|127\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}|\\[::1]");

    private final HostFiles files;
    private final Path path;

    private Kubeconfig(HostFiles files, Path path) {
        this.files = files;
        this.path = path;
    }

    /**
     * Reads one.
     *
     * @param files under whose root {@code path} is, and the files that it names
     * @param what who left it there, for people
     * @return empty when there is no such file
     * @throws AccessException when it cannot be used
     */
    static Optional<ApiAccess> read(HostFiles files, Path path, String what) throws AccessException {
        Optional<String> text;
        try {
            text = files.readText(path, LARGEST_BYTES);
        } catch (IOException e) {
            throw new AccessException("cannot read " + path + ": " + e.getMessage(), e);
        }
        if (text.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(new Kubeconfig(files, path).access(parse(path, text.get()), what + " " + path));
    }

    private static Block parse(Path path, String text) throws AccessException {
        LoadSettings settings = LoadSettings.builder()
                .setLabel(path.toString())
                .setCodePointLimit(LARGEST_BYTES)
                .setMaxAliasesForCollections(MOST_ALIASES)
                .build();
        try {
            return new Block(path.toString(), new Load(settings).loadFromString(text));
        } catch (YamlEngineException e) {
            throw new AccessException(path + " is not a kubeconfig: " + firstLine(e.getMessage()), e);
        }
    }

    private ApiAccess access(Block root, String origin) throws AccessException {
        String contextName = root.text("current-context");
        if (contextName.isEmpty()) {
            throw problem(
                    "current-context is not set; set it with: kubectl config use-context NAME --kubeconfig " + path);
        }
        Block context = root.named("contexts", contextName).block("context");
        Block cluster = root.named("clusters", context.text("cluster")).block("cluster");
        String userName = context.text("user");
        Block user = userName.isEmpty()
                ? new Block(path + " users", Map.of())
                : root.named("users", userName).block("user");
        if (!cluster.text("tls-server-name").isEmpty()) {
            throw problem("cluster \"" + context.text("cluster")
                    + "\" has tls-server-name, which the agent does not follow; give it a kubeconfig without");
        }
        Optional<InetSocketAddress> proxy = proxy(cluster);
        URI server = server(cluster.text("server"));
        ApiAccess.Identity identity = identity(user, userName);
        if (!(identity instanceof ApiAccess.Identity.Anonymous)
                && "http".equals(server.getScheme())
                && (proxy.isPresent() || !LOOPBACK.matcher(server.getHost()).matches())) {
            throw problem("the server " + server
                    + " is spoken to without TLS, where everybody on the way could read the credentials of user \""
                    + userName + "\"; correct it to https, or take the user out of the context");
        }
        return new ApiAccess(
                server,
                source(cluster, "certificate-authority"),
                cluster.isTrue("insecure-skip-tls-verify"),
                identity,
                context.text("namespace"),
                proxy,
                origin);
    }

    private ApiAccess.Identity identity(Block user, String name) throws AccessException {
        Optional<Source> certificate = source(user, "client-certificate");
        Optional<Source> key = source(user, "client-key");
        if (certificate.isPresent() && key.isPresent()) {
            return new ApiAccess.Identity.Certificate(certificate.get(), key.get());
        }
        if (certificate.isPresent() || key.isPresent()) {
            throw problem("user \"" + name + "\" has only one of client-certificate and client-key; both are needed");
        }
        String tokenFile = user.text("tokenFile");
        if (!tokenFile.isEmpty()) {
            return new ApiAccess.Identity.Token(file(tokenFile));
        }
        String token = user.text("token");
        if (!token.isEmpty()) {
            return new ApiAccess.Identity.Token(new Source.Text(token));
        }
        for (String unsupported : List.of("exec", "auth-provider", "username")) {
            if (user.has(unsupported)) {
                throw problem(
                        "user \"" + name + "\" logs in by " + unsupported
                                + ", which the agent does not do; give it a kubeconfig with a token file or a client certificate");
            }
        }
        return new ApiAccess.Identity.Anonymous();
    }

    /** The value in the file itself, else the file that it names. */
    private Optional<Source> source(Block block, String key) throws AccessException {
        String data = block.text(key + "-data");
        if (!data.isEmpty()) {
            try {
                byte[] decoded = Base64.getDecoder().decode(data.replaceAll("\\s", ""));
                return Optional.of(new Source.Text(new String(decoded, StandardCharsets.US_ASCII)));
            } catch (IllegalArgumentException e) {
                throw new AccessException(path + ": " + key + "-data is not base64: " + e.getMessage(), e);
            }
        }
        String file = block.text(key);
        return file.isEmpty() ? Optional.empty() : Optional.of(file(file));
    }

    private Source file(String name) throws AccessException {
        try {
            Path directory = path.getParent();
            Path named = directory == null ? Path.of(name) : directory.resolve(name);
            return new Source.File(files, named.normalize());
        } catch (InvalidPathException e) {
            throw new AccessException(path + ": \"" + printable(name) + "\" is not a file name", e);
        }
    }

    private URI server(String text) throws AccessException {
        return ApiAccess.address(text)
                .orElseThrow(() -> problem(
                        "the server \"" + printable(text) + "\" is not an address such as https://10.0.0.1:6443"));
    }

    private Optional<InetSocketAddress> proxy(Block cluster) throws AccessException {
        String text = cluster.text("proxy-url");
        if (text.isEmpty()) {
            return Optional.empty();
        }
        URI proxy = ApiAccess.address(text)
                .filter(address ->
                        "http".equals(address.getScheme()) && address.getPath().isEmpty())
                .orElseThrow(
                        () -> problem(
                                "the proxy-url is not an address such as http://proxy.example.com:3128; the agent follows no other kind of proxy, and none that wants a password"));
        return Optional.of(
                InetSocketAddress.createUnresolved(proxy.getHost(), proxy.getPort() == -1 ? 80 : proxy.getPort()));
    }

    private AccessException problem(String what) {
        return new AccessException(path + ": " + what);
    }

    private static String firstLine(@Nullable String text) {
        String whole = String.valueOf(text);
        int end = whole.indexOf('\n');
        return printable(end < 0 ? whole : whole.substring(0, end));
    }

    private static String printable(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length() && i < 200; i++) {
            char c = text.charAt(i);
            out.append(c < ' ' || c == 0x7f ? '?' : c);
        }
        return out.toString();
    }

    /**
     * A mapping of the file.
     *
     * @param where it is, for messages
     * @param value what is there; anything but a mapping is empty
     */
    private record Block(String where, @Nullable Object value) {
        private Map<?, ?> map() {
            return value instanceof Map<?, ?> map ? map : Map.of();
        }

        boolean has(String key) {
            return map().get(key) != null;
        }

        String text(String key) throws AccessException {
            Object found = map().get(key);
            if (found instanceof Map<?, ?> || found instanceof List<?>) {
                throw new AccessException(where + ": " + key + " is not plain text");
            }
            return found == null ? "" : found.toString().strip();
        }

        boolean isTrue(String key) {
            return Boolean.TRUE.equals(map().get(key));
        }

        Block block(String key) {
            return new Block(where + "." + key, map().get(key));
        }

        /** The element of a list by its {@code name}. */
        Block named(String list, String name) throws AccessException {
            if (map().get(list) instanceof List<?> elements) {
                for (Object element : elements) {
                    Block block = new Block(where + ": " + list + "[" + name + "]", element);
                    if (block.text("name").equals(name)) {
                        return block;
                    }
                }
            }
            throw new AccessException(where + ": there is no \"" + printable(name) + "\" in " + list);
        }
    }
}
