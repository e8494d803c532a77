package io.gpunode.agent.admin;

import io.netty.util.NetUtil;
import java.io.IOException;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;

/** Checks clients' certificates: against authorities where there are some, and for a name that is on a list where there is one. Immutable. */
final class ClientCertificates extends X509ExtendedTrustManager {
    private static final int EMAIL = 1;
    private static final int DNS = 2;
    private static final int URI = 6;
    private static final int IP = 7;

    private final @Nullable X509TrustManager authorities;
    private final Set<String> allowedNames;

    /**
     * @param authorities who may have signed them; empty for any certificate at all
     * @param allowedNames subject alternative names, one of which a certificate must have; empty for any
     */
    ClientCertificates(List<X509Certificate> authorities, Set<String> allowedNames)
            throws GeneralSecurityException, IOException {
        this.authorities = authorities.isEmpty() ? null : trusting(authorities);
        this.allowedNames = Set.copyOf(allowedNames);
    }

    private static X509TrustManager trusting(List<X509Certificate> authorities)
            throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        for (int i = 0; i < authorities.size(); i++) {
            store.setCertificateEntry("authority-" + i, authorities.get(i));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        for (TrustManager manager : factory.getTrustManagers()) {
            if (manager instanceof X509TrustManager found) {
                return found;
            }
        }
        throw new GeneralSecurityException("the Java runtime cannot check certificates");
    }

    boolean asksForNames() {
        return !allowedNames.isEmpty();
    }

    private void check(X509Certificate[] chain, String type) throws CertificateException {
        if (authorities != null) {
            authorities.checkClientTrusted(chain, type);
        }
        if (!allowedNames.isEmpty() && !names(chain[0]).stream().anyMatch(allowedNames::contains)) {
            throw new CertificateException("no subject alternative name of the client's certificate is allowed");
        }
    }

    /** The names of a certificate as web configurations write them: DNS, e-mail, IP address, URI. */
    static List<String> names(X509Certificate certificate) throws CertificateException {
        List<String> names = new ArrayList<>();
        Collection<List<?>> all = certificate.getSubjectAlternativeNames();
        if (all != null) {
            for (List<?> each : all) {
                if (each.get(0) instanceof Integer kind && each.get(1) instanceof String name) {
                    switch (kind) {
                        case EMAIL, DNS, URI -> names.add(name);
                        case IP -> names.add(address(name));
                        default -> {}
                    }
                }
            }
        }
        return names;
    }

    /** An address in its usual short form; the Java runtime writes IPv6 in full. */
    static String address(String text) {
        byte[] bytes = NetUtil.createByteArrayFromIpAddressString(text);
        return bytes == null ? text : NetUtil.bytesToIpAddress(bytes);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
        check(chain, type);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, @Nullable Socket socket)
            throws CertificateException {
        check(chain, type);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, @Nullable SSLEngine engine)
            throws CertificateException {
        check(chain, type);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
        throw new CertificateException("this is a server, which asks no server");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, @Nullable Socket socket)
            throws CertificateException {
        checkServerTrusted(chain, type);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, @Nullable SSLEngine engine)
            throws CertificateException {
        checkServerTrusted(chain, type);
    }

    /** Tells clients with several certificates which one to show. */
    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return authorities == null ? new X509Certificate[0] : authorities.getAcceptedIssuers();
    }
}
