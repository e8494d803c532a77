package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * What a daemon writes into a file, as lines, from one place on. A pipe would end the daemon together with the agent that reads it. A file that nobody else
 * bounds is emptied when it has grown too long: its writer appends. One thread at a time.
 */
final class DaemonOutput {
    private static final int READ_LIMIT = 64 << 10;
    private static final long SIZE_LIMIT = 1 << 20;
    /** As much of a line as a log takes. */
    private static final int LINE_LIMIT = 1_024;

    private final Path file;
    private final boolean own;
    private long position;
    private String unfinished = "";

    /**
     * What comes from now on.
     *
     * @param own whether the agent has made the file, and bounds it
     */
    DaemonOutput(HostFiles files, Path hostPath, boolean own) {
        this.file = files.resolve(hostPath);
        this.own = own;
        try {
            this.position = Files.exists(file) ? Files.size(file) : 0;
        } catch (IOException e) {
            this.position = 0;
        }
    }

    /** The lines that came since the last time, at most {@value #READ_LIMIT} bytes of them; nothing when the file is not there or cannot be read. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        try (FileChannel channel = own
                ? FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)
                : FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < position) {
                // It was begun anew.
                position = 0;
            }
            if (size - position > READ_LIMIT) {
                lines.add((size - position - READ_LIMIT) + " bytes are left out");
                position = size - READ_LIMIT;
                unfinished = "";
            }
            ByteBuffer buffer = ByteBuffer.allocate((int) (size - position));
            while (buffer.hasRemaining() && channel.read(buffer, position + buffer.position()) > 0) {
                // Until all of it is there.
            }
            position += buffer.position();
            split(new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8), lines);
            if (own && position > SIZE_LIMIT) {
                channel.truncate(0);
                position = 0;
            }
        } catch (IOException e) {
            // Without its messages the daemon works all the same.
        }
        return lines;
    }

    private void split(String text, List<String> lines) {
        String[] parts = (unfinished + text).split("\n", -1);
        for (int i = 0; i + 1 < parts.length; i++) {
            add(parts[i], lines);
        }
        unfinished = parts[parts.length - 1];
        if (unfinished.length() > LINE_LIMIT) {
            add(unfinished, lines);
            unfinished = "";
        }
    }

    private static void add(String line, List<String> lines) {
        String text = line.strip();
        if (!text.isEmpty()) {
            lines.add(text.length() > LINE_LIMIT ? text.substring(0, LINE_LIMIT) : text);
        }
    }
}
