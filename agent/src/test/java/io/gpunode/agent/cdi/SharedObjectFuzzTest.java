package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;

/** Whatever a library's file holds, its name is a file name or there is none. */
class SharedObjectFuzzTest {
    @FuzzTest
    void anyFileHasAFileNameOrNone(byte[] bytes) throws IOException {
        // When
        SharedObject object = SharedObject.read(new Bytes(bytes));

        // Then
        object.soname()
                .ifPresent(name -> assertThat(name)
                        .isNotIn("", ".", "..")
                        .hasSizeLessThan(256)
                        .doesNotContain("/")
                        .matches("[!-~]+"));
    }

    /** A file in memory. */
    private static final class Bytes implements SeekableByteChannel {
        private final byte[] bytes;
        private long position;

        private Bytes(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public int read(ByteBuffer to) {
            if (position >= bytes.length) {
                return -1;
            }
            int length = Math.min(to.remaining(), bytes.length - (int) position);
            to.put(bytes, (int) position, length);
            position += length;
            return length;
        }

        @Override
        public int write(ByteBuffer from) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long position() {
            return position;
        }

        @Override
        public SeekableByteChannel position(long newPosition) {
            if (newPosition < 0) {
                throw new IllegalArgumentException("position " + newPosition);
            }
            position = newPosition;
            return this;
        }

        @Override
        public long size() {
            return bytes.length;
        }

        @Override
        public SeekableByteChannel truncate(long size) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
