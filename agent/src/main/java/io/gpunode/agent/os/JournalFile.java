package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * A small file that says what is under way, or what was, so that the next process can go on from it. It is replaced whole, synced and renamed. The first
 * line has a word, the format's version and the CRC-32C of the rest. One thread.
 */
public final class JournalFile {
    private static final int SIZE_LIMIT = 1 << 20;
    private static final String MODE = "rw-------";

    private final HostFiles files;
    private final Path file;
    private final String word;
    private final int version;
    private final String subject;
    private final String nextStep;

    /** It is there and does not say what was under way. */
    public static final class UnreadableException extends Exception {
        private static final long serialVersionUID = 1L;

        private UnreadableException(String message) {
            super(message);
        }
    }

    /**
     * @param file as the host sees it
     * @param word its first one, which tells it from other files
     * @param version of the format of what is in it
     * @param subject what it is a journal of, for messages
     * @param nextStep what a person does with one that cannot be read
     */
    public JournalFile(HostFiles files, Path file, String word, int version, String subject, String nextStep) {
        this.files = files;
        this.file = file;
        this.word = word;
        this.version = version;
        this.subject = subject;
        this.nextStep = nextStep;
    }

    /** Where it lies, as the host sees it. */
    public Path file() {
        return file;
    }

    /** Whether there is one. */
    public boolean exists() {
        return files.exists(file);
    }

    /** Replaces what is in it; afterwards it survives a loss of power. */
    public void write(String body) throws IOException {
        String ended = body + "\n";
        String head = word + " " + version + " " + checksum(ended) + "\n";
        files.replace(file, (head + ended).getBytes(StandardCharsets.UTF_8), MODE);
    }

    /** Removes it; nothing happens when there is none. */
    public void remove() throws IOException {
        files.delete(file);
    }

    /**
     * What is in it, with its last newline; empty when there is none.
     *
     * @throws UnreadableException when it is damaged, of another version, or something else
     */
    public Optional<String> read() throws IOException, UnreadableException {
        Optional<String> text = files.readText(file, SIZE_LIMIT);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        int end = text.get().indexOf('\n');
        String[] head = text.get().substring(0, Math.max(0, end)).split(" ", -1);
        // The reader leaves the last newline out.
        String body = text.get().substring(end + 1) + "\n";
        if (head.length != 3 || !head[0].equals(word)) {
            throw unreadable("is no journal of " + subject);
        }
        if (!head[1].equals(String.valueOf(version))) {
            throw unreadable("has format version " + head[1] + ", and this agent knows version " + version);
        }
        if (!head[2].equals(checksum(body))) {
            throw unreadable("is damaged: its checksum is not that of its content");
        }
        return Optional.of(body);
    }

    /** For a content that makes no sense although its checksum is right. */
    public UnreadableException unreadable(String why) {
        return new UnreadableException(file + " " + why + ": " + nextStep);
    }

    /** As it stands in the first line. */
    public static String checksum(String body) {
        CRC32C crc = new CRC32C();
        crc.update(body.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }
}
