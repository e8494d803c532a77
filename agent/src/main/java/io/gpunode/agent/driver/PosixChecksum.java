package io.gpunode.agent.driver;

import java.util.zip.Checksum;

/** The checksum of {@code cksum(1)} (POSIX): a CRC-32 whose bits go the other way than in {@link java.util.zip.CRC32}, over the bytes and their count. */
final class PosixChecksum implements Checksum {
    private static final int POLYNOMIAL = 0x04c11db7;
    /** By four bytes at a time. */
    private static final int[][] TABLES = tables();

    private int crc;
    private long length;

    private static int[][] tables() {
        int[][] tables = new int[4][256];
        for (int i = 0; i < 256; i++) {
            int value = i << 24;
            for (int bit = 0; bit < 8; bit++) {
                value = value < 0 ? (value << 1) ^ POLYNOMIAL : value << 1;
            }
            tables[0][i] = value;
        }
        for (int table = 1; table < 4; table++) {
            for (int i = 0; i < 256; i++) {
                int before = tables[table - 1][i];
                tables[table][i] = (before << 8) ^ tables[0][before >>> 24];
            }
        }
        return tables;
    }

    @Override
    public void update(int b) {
        crc = (crc << 8) ^ TABLES[0][(crc >>> 24) ^ (b & 0xff)];
        length++;
    }

    @Override
    public void update(byte[] bytes, int offset, int count) {
        int at = offset;
        int end = offset + count;
        int value = crc;
        int[] t0 = TABLES[0];
        int[] t1 = TABLES[1];
        int[] t2 = TABLES[2];
        int[] t3 = TABLES[3];
        for (; at + 4 <= end; at += 4) {
            value ^= (bytes[at] << 24)
                    | ((bytes[at + 1] & 0xff) << 16)
                    | ((bytes[at + 2] & 0xff) << 8)
                    | (bytes[at + 3] & 0xff);
            value = t3[value >>> 24] ^ t2[(value >>> 16) & 0xff] ^ t1[(value >>> 8) & 0xff] ^ t0[value & 0xff];
        }
        for (; at < end; at++) {
            value = (value << 8) ^ t0[(value >>> 24) ^ (bytes[at] & 0xff)];
        }
        crc = value;
        length += count;
    }

    @Override
    public long getValue() {
        int value = crc;
        for (long left = length; left != 0; left >>>= 8) {
            value = (value << 8) ^ TABLES[0][(value >>> 24) ^ (int) (left & 0xff)];
        }
        return ~value & 0xffffffffL;
    }

    @Override
    public void reset() {
        crc = 0;
        length = 0;
    }
}
