package io.gpunode.agent.admin;

import io.gpunode.agent.admin.ServerTls.ClientCertificate;
import io.gpunode.agent.config.Place;
import io.gpunode.agent.config.RawValue;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.Suggestion;
import io.gpunode.agent.net.Pem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Reads {@code tls_server_config} of a web configuration and the files that it names. Loaded only where there is one; owned by one reading. */
final class ServerTlsReader {
    private static final String BLOCK = "tls_server_config";

    private static final List<String> KEYS = List.of(
            "cert",
            "key",
            "client_ca",
            "cert_file",
            "key_file",
            "client_auth_type",
            "client_ca_file",
            "client_allowed_sans",
            "min_version",
            "max_version",
            "cipher_suites",
            "prefer_server_cipher_suites",
            "curve_preferences");

    /** As Go's {@code crypto/tls} names them, and as the Java runtime does. */
    private static final Map<String, String> CURVES = Map.of(
            "CurveP256", "secp256r1",
            "CurveP384", "secp384r1",
            "CurveP521", "secp521r1",
            "X25519", "x25519");

    /** Every one that Go's {@code tls.CipherSuites()} lists; both sides use the registered names. */
    private static final List<String> SUITES = List.of(
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");

    /** Those of TLS 1.3, which are always spoken. */
    private static final int SUITES_OF_TLS13 = 3;

    private static final List<String> VERSIONS = List.of("TLS10", "TLS11", "TLS12", "TLS13");
    private static final int OLDEST_SERVED = 2;
    private static final String[] PROTOCOLS = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

    private final Path file;
    private final RawValue block;
    private final WebConfigReader reader;
    private final Report report;
    private final Instant now;

    ServerTlsReader(Path file, RawValue block, WebConfigReader reader, Report report, Instant now) {
        this.file = file;
        this.block = block;
        this.reader = reader;
        this.report = report;
        this.now = now;
    }

    /** Text in PEM and what to call its place. */
    private record Source(String text, String name, Place place, Optional<Path> path) {}

    /**
     * Empty when the block asks for nothing, or when what it asks for cannot be, which is then reported.
     *
     * @param inForce what keys without a value must not end
     */
    Optional<ServerTls> read(Optional<ServerTls> inForce) {
        Map<String, RawValue> members = reader.members(block, BLOCK, KEYS);
        if (members.isEmpty()) {
            for (String key : KEYS) {
                reader.keepInForce(block, key, inForce.isPresent());
            }
            return Optional.empty();
        }
        reader.keepInForce(
                block, "client_auth_type", inForce.map(ServerTls::asksClients).orElse(false));
        reader.keepInForce(
                block,
                "client_allowed_sans",
                inForce.map(ServerTls::asksForNames).orElse(false));
        Optional<Source> certificate = source(members, "cert");
        Optional<Source> key = source(members, "key");
        Optional<Source> authority = source(members, "client_ca");
        missing(members, certificate, "cert", "cert_file");
        missing(members, key, "key", "key_file");
        ClientCertificate wanted = ClientCertificate.NOT_ASKED;
        boolean verified = false;
        String word = reader.scalar(members, "client_auth_type");
        switch (word) {
            case "", "NoClientCert" -> {}
            case "RequestClientCert" -> wanted = ClientCertificate.ASKED;
            case "RequireAnyClientCert", "RequireClientCert" -> wanted = ClientCertificate.REQUIRED;
            case "VerifyClientCertIfGiven" -> {
                wanted = ClientCertificate.ASKED;
                verified = true;
            }
            case "RequireAndVerifyClientCert" -> {
                wanted = ClientCertificate.REQUIRED;
                verified = true;
            }
            default ->
                unknown(
                        members.get("client_auth_type"),
                        "client_auth_type",
                        List.of(
                                "NoClientCert",
                                "RequestClientCert",
                                "RequireAnyClientCert",
                                "VerifyClientCertIfGiven",
                                "RequireAndVerifyClientCert"));
        }
        Set<String> names = new HashSet<>();
        for (RawValue name : reader.list(members, "client_allowed_sans")) {
            names.add(name.text());
        }
        clientRules(members, wanted, verified, authority, names);
        ServerTls.Terms terms = terms(members);
        if (!report.problems().isEmpty() || certificate.isEmpty() || key.isEmpty()) {
            return Optional.empty();
        }
        if (!names.isEmpty()) {
            // Who shows no certificate has no name either.
            wanted = ClientCertificate.REQUIRED;
        }
        return make(certificate.get(), key.get(), verified ? authority : Optional.empty(), wanted, names, terms);
    }

    private Optional<ServerTls> make(
            Source certificate,
            Source key,
            Optional<Source> authority,
            ClientCertificate wanted,
            Set<String> names,
            ServerTls.Terms terms) {
        try {
            List<X509Certificate> chain = Pem.certificates(certificate.text(), certificate.name());
            Optional<PrivateKey> read = privateKey(key);
            if (read.isEmpty()) {
                return Optional.empty();
            }
            PrivateKey privateKey = read.get();
            if (!fits(chain.getFirst().getPublicKey(), privateKey)) {
                report.problem(
                        certificate.place(),
                        BLOCK,
                        "the certificate in " + certificate.name() + " (subject "
                                + RawValue.printable(chain.getFirst()
                                        .getSubjectX500Principal()
                                        .getName())
                                + ") is not that of the key in " + key.name(),
                        "name the two that belong together, the server's certificate first in its file");
                return Optional.empty();
            }
            Optional<ClientCertificates> clients = wanted == ClientCertificate.NOT_ASKED
                    ? Optional.empty()
                    : Optional.of(new ClientCertificates(
                            authority.isEmpty()
                                    ? List.of()
                                    : Pem.certificates(
                                            authority.get().text(),
                                            authority.get().name()),
                            names));
            ServerTls tls = new ServerTls(chain, privateKey, wanted, clients, terms);
            tls.tryOut();
            dates(certificate, tls);
            return Optional.of(tls);
        } catch (SSLException e) {
            report.problem(
                    certificate.place(),
                    BLOCK,
                    "no client could connect: " + e.getMessage(),
                    "see that min_version, max_version, cipher_suites and curve_preferences go with the certificate's key");
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
            report.problem(
                    block.place(), BLOCK, String.valueOf(e.getMessage()), "name files in PEM, as openssl writes them");
        }
        return Optional.empty();
    }

    /** A key, also the one that the agent cannot use: then it is said why. */
    private Optional<PrivateKey> privateKey(Source key) throws IOException {
        if (key.text().contains("ENCRYPTED")) {
            report.problem(
                    key.place(),
                    BLOCK,
                    "the key in " + key.name() + " is encrypted, and nobody is there to type its password",
                    "openssl pkey -in OLD -out NEW, and let only the agent's user read it");
            return Optional.empty();
        }
        if (key.path().isPresent() && isForEverybody(key.path().get())) {
            report.notice(
                    key.place(),
                    BLOCK,
                    "every user of this machine may read the key in " + key.name(),
                    "chmod o= " + key.path().get() + ", or defaultMode: 0400 where Kubernetes mounts it");
        }
        return Optional.of(Pem.privateKey(key.text(), key.name()));
    }

    private static boolean isForEverybody(Path path) {
        try {
            return Files.getPosixFilePermissions(path).contains(PosixFilePermission.OTHERS_READ);
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    /** Whether what one key signs the other verifies. */
    private static boolean fits(PublicKey certificate, PrivateKey key) throws GeneralSecurityException {
        String algorithm = switch (key.getAlgorithm()) {
            case "EC" -> "SHA256withECDSA";
            case "RSA" -> "SHA256withRSA";
            default -> "Ed25519";
        };
        byte[] probe = {1, 2, 3};
        Signature signer = Signature.getInstance(algorithm);
        signer.initSign(key);
        signer.update(probe);
        byte[] signed = signer.sign();
        try {
            Signature verifier = Signature.getInstance(algorithm);
            verifier.initVerify(certificate);
            verifier.update(probe);
            return verifier.verify(signed);
        } catch (GeneralSecurityException e) {
            // Of another algorithm altogether.
            return false;
        }
    }

    private void dates(Source certificate, ServerTls tls) {
        if (tls.expires().isBefore(now)) {
            report.notice(
                    certificate.place(),
                    BLOCK,
                    "the certificate in " + certificate.name() + " has expired at " + tls.expires()
                            + "; clients will refuse it",
                    "renew it; the agent takes the new file by itself");
        } else if (tls.begins().isAfter(now)) {
            report.notice(
                    certificate.place(),
                    BLOCK,
                    "the certificate in " + certificate.name() + " is good only from " + tls.begins() + " on",
                    "check the clock of this machine: timedatectl");
        }
    }

    private Optional<Source> source(Map<String, RawValue> members, String name) {
        String inline = reader.scalar(members, name);
        String path = reader.scalar(members, name + "_file");
        RawValue at = members.get(path.isEmpty() ? name : name + "_file");
        if (at == null || (inline.isEmpty() && path.isEmpty())) {
            return Optional.empty();
        }
        if (!inline.isEmpty() && !path.isEmpty()) {
            report.problem(
                    at.place(), BLOCK, "both " + name + " and " + name + "_file are given", "keep one of the two");
            return Optional.empty();
        }
        if (path.isEmpty()) {
            return Optional.of(new Source(inline, BLOCK + "." + name, at.place(), Optional.empty()));
        }
        Path resolved;
        try {
            resolved = file.resolveSibling(path).normalize();
        } catch (InvalidPathException e) {
            report.problem(at.place(), BLOCK, at.shown() + " is not a path", "write one without that character");
            return Optional.empty();
        }
        return reader.text(resolved)
                .map(text -> new Source(text, resolved.toString(), at.place(), Optional.of(resolved)));
    }

    private void missing(Map<String, RawValue> members, Optional<Source> source, String inline, String path) {
        if (source.isEmpty()
                && reader.scalar(members, inline).isEmpty()
                && reader.scalar(members, path).isEmpty()) {
            report.problem(block.place(), BLOCK, "neither " + path + " nor " + inline + " is given", "name the file");
        }
    }

    private void clientRules(
            Map<String, RawValue> members,
            ClientCertificate wanted,
            boolean verified,
            Optional<Source> authority,
            Set<String> names) {
        boolean hasAuthority = members.containsKey("client_ca") || members.containsKey("client_ca_file");
        if (hasAuthority && wanted == ClientCertificate.NOT_ASKED) {
            report.problem(
                    block.place(),
                    BLOCK,
                    "there is a client_ca, and no client is asked for a certificate",
                    "write client_auth_type: RequireAndVerifyClientCert");
        }
        if (!names.isEmpty() && wanted == ClientCertificate.NOT_ASKED) {
            report.problem(
                    members.getOrDefault("client_allowed_sans", block).place(),
                    BLOCK,
                    "there are client_allowed_sans, and no client is asked for a certificate",
                    "write client_auth_type: RequireAndVerifyClientCert");
        }
        if (verified && !hasAuthority) {
            report.problem(
                    members.getOrDefault("client_auth_type", block).place(),
                    BLOCK,
                    "clients' certificates are to be verified, and it is not said who signs them",
                    "name the authority in client_ca_file");
        }
        if (authority.isPresent()) {
            try {
                Pem.certificates(authority.get().text(), authority.get().name());
            } catch (IOException e) {
                report.problem(authority.get().place(), BLOCK, String.valueOf(e.getMessage()), "name a file in PEM");
            }
        }
        if (wanted != ClientCertificate.NOT_ASKED && !verified) {
            report.notice(
                    members.getOrDefault("client_auth_type", block).place(),
                    BLOCK,
                    "clients' certificates are asked for and not verified: anybody can make one",
                    "write client_auth_type: RequireAndVerifyClientCert");
        }
    }

    private ServerTls.Terms terms(Map<String, RawValue> members) {
        int least = version(members, "min_version", OLDEST_SERVED);
        int most = version(members, "max_version", VERSIONS.size() - 1);
        if (most < OLDEST_SERVED) {
            report.problem(
                    members.getOrDefault("max_version", block).place(),
                    "max_version",
                    "TLS before 1.2 is not spoken",
                    "write TLS12 or TLS13");
        } else if (least > most) {
            report.problem(
                    members.getOrDefault("min_version", block).place(),
                    "min_version",
                    "is newer than max_version",
                    "write TLS12, or leave max_version out");
        }
        if (least < OLDEST_SERVED) {
            report.notice(
                    members.getOrDefault("min_version", block).place(),
                    "min_version",
                    "TLS before 1.2 is not spoken: the oldest is TLS12",
                    "write TLS12");
        }
        List<String> protocols = new ArrayList<>();
        for (int i = Math.max(least, OLDEST_SERVED); i <= most; i++) {
            protocols.add(PROTOCOLS[i]);
        }
        return new ServerTls.Terms(
                protocols, suites(members), curves(members), reader.bool(members, "prefer_server_cipher_suites", true));
    }

    private int version(Map<String, RawValue> members, String name, int otherwise) {
        String text = reader.scalar(members, name);
        if (text.isEmpty()) {
            return otherwise;
        }
        int index = VERSIONS.indexOf(text);
        if (index < 0) {
            unknown(members.get(name), name, VERSIONS);
            return otherwise;
        }
        return index;
    }

    /** As in Go the list is about TLS 1.2; the suites of TLS 1.3 are always spoken. */
    private List<String> suites(Map<String, RawValue> members) {
        List<String> suites = new ArrayList<>();
        List<String> supported = List.of();
        for (RawValue item : reader.list(members, "cipher_suites")) {
            if (!SUITES.contains(item.text())) {
                unknown(item, "cipher_suites", SUITES);
                continue;
            }
            supported = supported.isEmpty() ? ServerTls.supportedCipherSuites() : supported;
            if (!supported.contains(item.text())) {
                report.problem(
                        item.place(),
                        "cipher_suites",
                        item.shown() + " is switched off in this Java runtime",
                        "leave it out");
            } else if (!suites.contains(item.text())) {
                suites.add(item.text());
            }
        }
        if (!suites.isEmpty()) {
            for (String always : SUITES.subList(0, SUITES_OF_TLS13)) {
                if (!suites.contains(always)) {
                    suites.add(always);
                }
            }
        }
        return suites;
    }

    private List<String> curves(Map<String, RawValue> members) {
        Map<String, String> curves = new LinkedHashMap<>();
        for (RawValue item : reader.list(members, "curve_preferences")) {
            String name = CURVES.get(item.text());
            if (name == null) {
                unknown(
                        item,
                        "curve_preferences",
                        CURVES.keySet().stream().sorted().toList());
            } else {
                curves.put(item.text(), name);
            }
        }
        return List.copyOf(curves.values());
    }

    private void unknown(@Nullable RawValue value, String name, List<String> known) {
        if (value == null) {
            return;
        }
        Optional<String> near = Suggestion.nearest(value.text(), known);
        report.problem(
                value.place(),
                name,
                value.shown() + " is not known"
                        + near.map(meant -> ", did you mean \"" + meant + "\"?").orElse(""),
                "write one of " + String.join(", ", known));
    }
}
