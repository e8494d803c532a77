package io.gpunode.agent.driver;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Writes tar archives byte by byte, also such as no honest program writes. */
final class Tars {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Tars directory(String name) {
        return entry(name, '5', "", new byte[0], 0755);
    }

    Tars file(String name, byte[] content, int mode) {
        return entry(name, '0', "", content, mode);
    }

    Tars file(String name, String content) {
        return file(name, content.getBytes(StandardCharsets.UTF_8), 0644);
    }

    Tars link(String name, String target) {
        return entry(name, '2', target, new byte[0], 0777);
    }

    Tars hardLink(String name, String target) {
        return entry(name, '1', target, new byte[0], 0644);
    }

    Tars entry(String name, char type, String link, byte[] content, int mode) {
        byte[] header = header(name, type, link, content.length, mode);
        out.writeBytes(header);
        out.writeBytes(content);
        out.writeBytes(new byte[(512 - content.length % 512) % 512]);
        return this;
    }

    /** A header that promises another length than what follows. */
    Tars promise(String name, long size) {
        out.writeBytes(header(name, '0', "", size, 0644));
        return this;
    }

    /** A name of any length, as GNU's tar writes it. */
    Tars longName(String name, String content) {
        byte[] bytes = (name + "\0").getBytes(StandardCharsets.UTF_8);
        entry("././@LongLink", 'L', "", bytes, 0644);
        return file("short", content);
    }

    /** A name of any length, as POSIX wants it. */
    Tars paxName(String name, String content) {
        String tail = " path=" + name + "\n";
        int length = tail.length() + 1;
        while (String.valueOf(length).length() + tail.length() != length) {
            length++;
        }
        entry("pax", 'x', "", (length + tail).getBytes(StandardCharsets.UTF_8), 0644);
        return file("short", content);
    }

    private static byte[] header(String name, char type, String link, long size, int mode) {
        byte[] header = new byte[512];
        put(header, 0, name);
        put(header, 100, octal(mode, 7));
        put(header, 108, octal(0, 7));
        put(header, 116, octal(0, 7));
        put(header, 124, octal(size, 11));
        put(header, 136, octal(0, 11));
        header[156] = (byte) type;
        put(header, 157, link);
        put(header, 257, "ustar\00000");
        for (int i = 148; i < 156; i++) {
            header[i] = ' ';
        }
        int sum = 0;
        for (byte b : header) {
            sum += b & 0xff;
        }
        put(header, 148, octal(sum, 6));
        header[154] = 0;
        return header;
    }

    private static String octal(long value, int digits) {
        String text = Long.toOctalString(value);
        return "0".repeat(digits - text.length()) + text;
    }

    private static void put(byte[] header, int at, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(bytes, 0, header, at, bytes.length);
    }

    byte[] bytes() {
        byte[] content = out.toByteArray();
        byte[] all = new byte[content.length + 1_024];
        System.arraycopy(content, 0, all, 0, content.length);
        return all;
    }

    /** Without the two empty blocks of the end. */
    byte[] cutBytes() {
        return out.toByteArray();
    }
}
