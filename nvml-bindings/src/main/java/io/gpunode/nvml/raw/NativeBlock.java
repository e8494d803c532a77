package io.gpunode.nvml.raw;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A piece of native memory, made once and used for many calls, so that a call allocates nothing in Java. Whoever made it frees it; it does
 * no checks of its own after that.
 */
public final class NativeBlock implements AutoCloseable {
    private final Memory memory;
    private final ByteBuffer bytes;
    private final long address;
    private final int size;

    /** Memory of this many bytes, all zero, aligned for any C type. */
    public NativeBlock(int size) {
        this.memory = new Memory(size);
        this.memory.clear();
        this.bytes = memory.getByteBuffer(0, size).order(ByteOrder.nativeOrder());
        this.address = Pointer.nativeValue(memory);
        this.size = size;
    }

    /** Where it lies, for C. */
    public long address() {
        return address;
    }

    /** Bytes. */
    public int size() {
        return size;
    }

    /** One byte, as a number from 0 to 255. */
    public int getByte(int offset) {
        return bytes.get(offset) & 0xFF;
    }

    /** One {@code unsigned short}. */
    public int getShort(int offset) {
        return bytes.getShort(offset) & 0xFFFF;
    }

    /** One {@code int}. */
    public int getInt(int offset) {
        return bytes.getInt(offset);
    }

    /** One {@code long long} or pointer. */
    public long getLong(int offset) {
        return bytes.getLong(offset);
    }

    /** One {@code double}. */
    public double getDouble(int offset) {
        return bytes.getDouble(offset);
    }

    /** Sets one byte. */
    public void putByte(int offset, int value) {
        bytes.put(offset, (byte) value);
    }

    /** Sets one {@code int}. */
    public void putInt(int offset, int value) {
        bytes.putInt(offset, value);
    }

    /** Sets one {@code long long} or pointer. */
    public void putLong(int offset, long value) {
        bytes.putLong(offset, value);
    }

    /** Sets {@code length} bytes to one value. */
    public void fill(int offset, int length, int value) {
        memory.setMemory(offset, length, (byte) value);
    }

    /** Copies bytes in. */
    public void put(int offset, byte[] source) {
        bytes.put(offset, source);
    }

    /** Copies the whole of another block of the same size over this one. */
    public void copyFrom(NativeBlock template) {
        bytes.put(0, template.bytes, 0, size);
    }

    /**
     * Text as C wrote it: up to its end mark or to the end of the buffer, whichever comes first. Bytes that are no UTF-8 and control
     * characters become U+FFFD, for the text ends up in logs, labels and terminals.
     */
    public String getText(int offset, int length) {
        byte[] text = new byte[length];
        int end = 0;
        boolean plain = true;
        while (end < length) {
            byte character = bytes.get(offset + end);
            if (character == 0) {
                break;
            }
            plain &= character >= 0x20 && character < 0x7F;
            text[end++] = character;
        }
        if (plain) {
            return new String(text, 0, end, StandardCharsets.US_ASCII);
        }
        return withoutControls(new String(Arrays.copyOf(text, end), StandardCharsets.UTF_8));
    }

    private static String withoutControls(String text) {
        StringBuilder clean = new StringBuilder(text.length());
        text.codePoints().forEach(point -> clean.appendCodePoint(Character.isISOControl(point) ? 0xFFFD : point));
        return clean.toString();
    }

    /** Frees the memory. The block must not be used again, and no call may be writing to it. */
    @Override
    public void close() {
        memory.close();
    }
}
