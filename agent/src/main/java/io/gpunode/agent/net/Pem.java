package io.gpunode.agent.net;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/**
 * Certificates and private keys in PEM (RFC 7468): keys as PKCS #8, and in the two older forms that kubeadm (RSA, PKCS #1) and the kubelet (elliptic
 * curve, SEC 1) write, which the Java runtime reads only after they are wrapped as PKCS #8. What else stands in the text is passed over.
 */
public final class Pem {
    private static final byte[] RSA_ENCRYPTION = {
        0x30, 0x0d, 0x06, 0x09, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00
    };
    private static final byte[] EC_PUBLIC_KEY = {0x06, 0x07, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 0x02, 0x01};
    private static final byte[] VERSION_0 = {0x02, 0x01, 0x00};
    private static final int SEQUENCE = 0x30;
    private static final int OCTET_STRING = 0x04;
    private static final int PARAMETERS = 0xa0;

    private Pem() {}

    /**
     * All certificates of a text, in its order.
     *
     * @throws IOException when there is none, or one cannot be read
     */
    public static List<X509Certificate> certificates(String pem, String where) throws IOException {
        List<X509Certificate> found = new ArrayList<>();
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Block block : blocks(pem, where)) {
                if (block.label.equals("CERTIFICATE")) {
                    Certificate certificate = factory.generateCertificate(new ByteArrayInputStream(block.der));
                    found.add((X509Certificate) certificate);
                }
            }
        } catch (GeneralSecurityException e) {
            throw new IOException("a certificate in " + where + " cannot be read: " + e.getMessage(), e);
        }
        if (found.isEmpty()) {
            throw new IOException("there is no certificate in " + where);
        }
        return found;
    }

    /**
     * The first private key of a text.
     *
     * @throws IOException when there is none, or it cannot be read
     */
    public static PrivateKey privateKey(String pem, String where) throws IOException {
        for (Block block : blocks(pem, where)) {
            try {
                switch (block.label) {
                    case "PRIVATE KEY" -> {
                        return anyKey(block.der);
                    }
                    case "RSA PRIVATE KEY" -> {
                        return key("RSA", wrapped(RSA_ENCRYPTION, block.der));
                    }
                    case "EC PRIVATE KEY" -> {
                        byte[] curve = curveOf(block.der);
                        return key("EC", wrapped(der(SEQUENCE, EC_PUBLIC_KEY, curve), block.der));
                    }
                    default -> {}
                }
            } catch (GeneralSecurityException | IndexOutOfBoundsException e) {
                throw new IOException("the private key in " + where + " cannot be read: " + e.getMessage(), e);
            }
        }
        throw new IOException("there is no private key in " + where + " that can be used (encrypted ones cannot)");
    }

    private static PrivateKey anyKey(byte[] pkcs8) throws GeneralSecurityException {
        GeneralSecurityException last = new GeneralSecurityException("not a key");
        for (String algorithm : List.of("EC", "RSA", "Ed25519")) {
            try {
                return key(algorithm, pkcs8);
            } catch (GeneralSecurityException e) {
                last = e;
            }
        }
        throw last;
    }

    private static PrivateKey key(String algorithm, byte[] pkcs8) throws GeneralSecurityException {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
    }

    private static byte[] wrapped(byte[] algorithm, byte[] key) {
        return der(SEQUENCE, VERSION_0, algorithm, der(OCTET_STRING, key));
    }

    /** The parameters of a SEC 1 key (RFC 5915): version, private key, then [0] the curve. */
    private static byte[] curveOf(byte[] sec1) throws GeneralSecurityException {
        Element whole = element(sec1, 0);
        int at = whole.start;
        while (at < whole.end) {
            Element part = element(sec1, at);
            if (part.tag == PARAMETERS) {
                return Arrays.copyOfRange(sec1, part.start, part.end);
            }
            at = part.end;
        }
        throw new GeneralSecurityException("it does not name its curve");
    }

    private static Element element(byte[] der, int at) throws GeneralSecurityException {
        int tag = der[at] & 0xff;
        int length = der[at + 1] & 0xff;
        int start = at + 2;
        if (length >= 0x80) {
            int bytes = length & 0x7f;
            if (bytes == 0 || bytes > 3) {
                throw new GeneralSecurityException("a length that makes no sense");
            }
            length = 0;
            for (int i = 0; i < bytes; i++) {
                length = (length << 8) | (der[start++] & 0xff);
            }
        }
        if (length > der.length - start) {
            throw new GeneralSecurityException("it ends too early");
        }
        return new Element(tag, start, start + length);
    }

    private static byte[] der(int tag, byte[]... parts) {
        int length = 0;
        for (byte[] part : parts) {
            length += part.length;
        }
        byte[] head = length < 0x80
                ? new byte[] {(byte) tag, (byte) length}
                : new byte[] {(byte) tag, (byte) 0x83, (byte) (length >> 16), (byte) (length >> 8), (byte) length};
        byte[] out = Arrays.copyOf(head, head.length + length);
        int at = head.length;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, out, at, part.length);
            at += part.length;
        }
        return out;
    }

    private static List<Block> blocks(String pem, String where) throws IOException {
        List<Block> blocks = new ArrayList<>();
        int at = 0;
        while (true) {
            int begin = pem.indexOf("-----BEGIN ", at);
            if (begin < 0) {
                return blocks;
            }
            int labelEnd = pem.indexOf("-----", begin + 11);
            if (labelEnd < 0) {
                throw new IOException("the PEM text in " + where + " ends too early");
            }
            String label = pem.substring(begin + 11, labelEnd);
            int end = pem.indexOf("-----END " + label + "-----", labelEnd + 5);
            if (end < 0) {
                throw new IOException(
                        "the PEM block \"" + label.replaceAll("[^A-Z0-9 ]", "?") + "\" in " + where + " has no end");
            }
            try {
                blocks.add(new Block(
                        label,
                        Base64.getMimeDecoder()
                                .decode(pem.substring(labelEnd + 5, end).getBytes(StandardCharsets.US_ASCII))));
            } catch (IllegalArgumentException e) {
                throw new IOException("a PEM block in " + where + " is not base64: " + e.getMessage(), e);
            }
            at = end + 5;
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // Never compared and never leaves this class.
    private record Block(String label, byte[] der) {}

    private record Element(int tag, int start, int end) {}
}
