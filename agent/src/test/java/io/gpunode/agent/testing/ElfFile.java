package io.gpunode.agent.testing;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** The least that a loader would call a shared object: a header, two program headers, a dynamic section with a name. */
public final class ElfFile {
    private static final int X86_64 = 62;
    private static final int ARM64 = 183;
    private static final int I386 = 3;
    private static final int DYNAMIC_AT = 64 + 2 * 56;
    private static final int STRINGS_AT = DYNAMIC_AT + 3 * 16;
    private static final long LOADED_AT = 0x10000;

    private ElfFile() {}

    /** One of this machine's architecture. */
    public static byte[] named(String soname) {
        return file(soname, "aarch64".equals(System.getProperty("os.arch")) ? ARM64 : X86_64, 2);
    }

    /** The 32-bit twin. */
    public static byte[] of32Bits(String soname) {
        return file(soname, I386, 1);
    }

    private static byte[] file(String soname, int machine, int bits) {
        byte[] name = soname.getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(STRINGS_AT + 1 + name.length + 1).order(ByteOrder.LITTLE_ENDIAN);
        file.putInt(0, 0x464c457f).put(4, (byte) bits).put(5, (byte) 1).putShort(16, (short) 3);
        file.putShort(18, (short) machine)
                .putLong(32, 64)
                .putShort(54, (short) 56)
                .putShort(56, (short) 2);
        file.putInt(64, 1).putLong(64 + 16, LOADED_AT).putLong(64 + 32, file.capacity());
        file.putInt(120, 2).putLong(120 + 8, DYNAMIC_AT).putLong(120 + 32, 3 * 16);
        file.putLong(DYNAMIC_AT, 14).putLong(DYNAMIC_AT + 8, 1);
        file.putLong(DYNAMIC_AT + 16, 5).putLong(DYNAMIC_AT + 24, LOADED_AT + STRINGS_AT);
        file.put(STRINGS_AT + 1, name);
        return file.array();
    }
}
