package io.gpunode.agent.kubernetes;

import io.gpunode.agent.net.Pem;
import io.gpunode.agent.net.TrustAnybody;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.security.auth.x500.X500Principal;
import org.jspecify.annotations.Nullable;

/**
 * What TLS needs, read from an {@link ApiAccess} at one moment. Two readings are equal when nothing was renewed in between.
 *
 * @param authority certificates in PEM, empty for the Java runtime's
 * @param certificate in PEM, empty without a client certificate
 * @param key in PEM
 */
record Tls(String authority, String certificate, String key) {
    private static final char[] NO_PASSWORD = new char[0];
    /** The user name of a kubelet, as the node authorizer wants it. */
    private static final Pattern NODE = Pattern.compile("(?:^|,)CN=system:node:([A-Za-z0-9.-]{1,253})(?:,|$)");

    static Tls read(ApiAccess access) throws IOException {
        String authority =
                access.authority().isPresent() ? access.authority().get().read() : "";
        return access.identity() instanceof ApiAccess.Identity.Certificate(Source certificate, Source key)
                ? new Tls(authority, certificate.read(), key.read())
                : new Tls(authority, "", "");
    }

    /** Makes the context of connections. */
    SSLContext context(ApiAccess access) throws IOException {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys(access), trust(access), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException("TLS cannot be set up with " + access.origin() + ": " + e.getMessage(), e);
        }
    }

    /** The node whose kubelet this client certificate belongs to. */
    Optional<String> nodeName() throws IOException {
        if (certificate.isEmpty()) {
            return Optional.empty();
        }
        X509Certificate leaf =
                Pem.certificates(certificate, "the client certificate").getFirst();
        Matcher matcher = NODE.matcher(leaf.getSubjectX500Principal().getName(X500Principal.RFC2253));
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    private KeyManager @Nullable [] keys(ApiAccess access) throws GeneralSecurityException, IOException {
        if (certificate.isEmpty()) {
            return null;
        }
        PrivateKey privateKey = Pem.privateKey(key, access.origin());
        Certificate[] chain = Pem.certificates(certificate, access.origin()).toArray(new Certificate[0]);
        KeyStore store = emptyStore();
        store.setKeyEntry("agent", privateKey, NO_PASSWORD, chain);
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, NO_PASSWORD);
        return factory.getKeyManagers();
    }

    private TrustManager @Nullable [] trust(ApiAccess access) throws GeneralSecurityException, IOException {
        if (access.unchecked()) {
            return new TrustManager[] {new TrustAnybody()};
        }
        if (access.authority().isEmpty()) {
            return null;
        }
        KeyStore store = emptyStore();
        List<X509Certificate> certificates = Pem.certificates(authority, "the authority of " + access.origin());
        for (int i = 0; i < certificates.size(); i++) {
            store.setCertificateEntry("authority-" + i, certificates.get(i));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    @Override
    public String toString() {
        return "Tls";
    }
}
