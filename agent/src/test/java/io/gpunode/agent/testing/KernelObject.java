package io.gpunode.agent.testing;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** The least that is a kernel module's file: a relocatable object of 64 bits with a section {@code .modinfo}. It cannot be loaded. */
public final class KernelObject {
    private static final int X86_64 = 62;
    private static final int ARM64 = 183;
    private static final int HEADER = 64;
    private static final byte[] NAMES = "\0.modinfo\0.shstrtab\0".getBytes(StandardCharsets.US_ASCII);

    private KernelObject() {}

    /**
     * One of this machine's architecture.
     *
     * @param fields of {@code .modinfo}, each {@code name=value}
     */
    public static byte[] with(String... fields) {
        byte[] information = (String.join("\0", fields) + "\0").getBytes(StandardCharsets.US_ASCII);
        int namesAt = HEADER + information.length;
        int tableAt = namesAt + NAMES.length;
        ByteBuffer file = ByteBuffer.allocate(tableAt + 3 * HEADER).order(ByteOrder.LITTLE_ENDIAN);
        file.putInt(0, 0x464c457f).put(4, (byte) 2).put(5, (byte) 1).putShort(16, (short) 1);
        file.putShort(18, (short) ("aarch64".equals(System.getProperty("os.arch")) ? ARM64 : X86_64));
        file.putLong(40, tableAt)
                .putShort(58, (short) HEADER)
                .putShort(60, (short) 3)
                .putShort(62, (short) 2);
        file.put(HEADER, information).put(namesAt, NAMES);
        section(file, tableAt + HEADER, 1, HEADER, information.length);
        section(file, tableAt + 2 * HEADER, 10, namesAt, NAMES.length);
        return file.array();
    }

    private static void section(ByteBuffer file, int at, int name, long offset, long size) {
        file.putInt(at, name).putInt(at + 4, 1).putLong(at + 24, offset).putLong(at + 32, size);
    }
}
