package io.gpunode.agent.os;

import io.gpunode.agent.os.ModuleFile.Signature;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Who signed a module, from the PKCS#7 message behind it (RFC 5652): SignedData with one SignerInfo, no certificates and no content. Only looks; whether
 * the signature is right, the kernel says.
 */
final class ModuleSignature {
    private static final int INTEGER = 0x02;
    private static final int OBJECT = 0x06;
    private static final int SEQUENCE = 0x30;
    private static final int SET = 0x31;
    private static final int FIRST_TAGGED = 0xa0;
    private static final int SECOND_TAGGED = 0xa1;
    private static final int KEY_IDENTIFIER = 0x80;
    private static final HexFormat HEX = HexFormat.of();

    /** Object identifiers as they are encoded. */
    private static final byte[] COMMON_NAME = HEX.parseHex("550403");

    private static final String SHA2 = "6086480165030402";
    private static final String SHA1 = "2b0e03021a";

    /** Thrown where the message ends too early or has another shape. */
    private static final class ShapeException extends Exception {
        private static final long serialVersionUID = 1L;
    }

    private final byte[] bytes;
    private int at;
    private final int end;

    private ModuleSignature(byte[] bytes, int at, int end) {
        this.bytes = bytes;
        this.at = at;
        this.end = end;
    }

    /** What can be read of it; empty texts for the rest. */
    static Signature read(byte[] message) {
        try {
            ModuleSignature content = new ModuleSignature(message, 0, message.length).enter(SEQUENCE);
            content.skip(OBJECT);
            ModuleSignature data = content.enter(FIRST_TAGGED).enter(SEQUENCE);
            data.skip(INTEGER);
            data.skip(SET);
            data.skip(SEQUENCE);
            while (data.next() == FIRST_TAGGED || data.next() == SECOND_TAGGED) {
                data.skip(data.next());
            }
            ModuleSignature signer = data.enter(SET).enter(SEQUENCE);
            signer.skip(INTEGER);
            String name = "";
            String key;
            if (signer.next() == KEY_IDENTIFIER) {
                key = HEX.formatHex(signer.content(KEY_IDENTIFIER));
            } else {
                ModuleSignature issuer = signer.enter(SEQUENCE);
                name = commonName(issuer.enter(SEQUENCE));
                key = HEX.formatHex(issuer.content(INTEGER));
            }
            return new Signature(name, key, hash(signer.enter(SEQUENCE).content(OBJECT)));
        } catch (ShapeException e) {
            return new Signature("", "", "");
        }
    }

    private static String commonName(ModuleSignature names) throws ShapeException {
        String name = "";
        while (names.at < names.end) {
            ModuleSignature pair = names.enter(SET).enter(SEQUENCE);
            boolean common = Arrays.equals(pair.content(OBJECT), COMMON_NAME);
            byte[] value = pair.content(pair.next());
            if (common) {
                name = new String(value, StandardCharsets.UTF_8);
            }
        }
        return name;
    }

    private static String hash(byte[] object) {
        String text = HEX.formatHex(object);
        if (text.equals(SHA1)) {
            return "sha1";
        }
        if (!text.startsWith(SHA2)) {
            return "";
        }
        return switch (text.substring(SHA2.length())) {
            case "01" -> "sha256";
            case "02" -> "sha384";
            case "03" -> "sha512";
            case "04" -> "sha224";
            case "08" -> "sha3-256";
            case "09" -> "sha3-384";
            case "0a" -> "sha3-512";
            default -> "";
        };
    }

    /** The tag of the next element; -1 at the end. */
    private int next() {
        return at < end ? bytes[at] & 0xff : -1;
    }

    private void skip(int tag) throws ShapeException {
        element(tag);
    }

    private byte[] content(int tag) throws ShapeException {
        ModuleSignature element = element(tag);
        return Arrays.copyOfRange(bytes, element.at, element.end);
    }

    private ModuleSignature enter(int tag) throws ShapeException {
        return element(tag);
    }

    /** The next element's content; goes on behind it. */
    private ModuleSignature element(int tag) throws ShapeException {
        if (at + 2 > end || (bytes[at] & 0xff) != tag) {
            throw new ShapeException();
        }
        int length = bytes[at + 1] & 0xff;
        int begin = at + 2;
        if (length >= 0x80) {
            int digits = length - 0x80;
            if (digits == 0 || digits > 3 || begin + digits > end) {
                throw new ShapeException();
            }
            length = 0;
            for (int i = 0; i < digits; i++) {
                length = (length << 8) | (bytes[begin + i] & 0xff);
            }
            begin += digits;
        }
        if (length > end - begin) {
            throw new ShapeException();
        }
        at = begin + length;
        return new ModuleSignature(bytes, begin, begin + length);
    }
}
