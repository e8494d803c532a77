package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.util.Map;

/** Why a file of this agent's could not be written, in the system's words (errno(3)), and what a person does about it. */
public final class WriteFailure {
    private static final String FULL = "No space left on device";
    private static final String READ_ONLY = "Read-only file system";
    private static final String QUOTA = "Disk quota exceeded";

    /** By the words of strerror(3), which the JDK passes on. */
    private static final Map<String, String> REMEDIES = Map.of(
            "Permission denied",
            "run it as root",
            "Operation not permitted",
            "run it as root, and see that nothing keeps the file from being changed: lsattr -d",
            READ_ONLY,
            "see why it is read-only (findmnt -T and the path; dmesg), and mount it so that it can be written",
            FULL,
            "make room, for example with: gpu-node-agent driver prune",
            QUOTA,
            "raise the quota of root, or make room",
            "Input/output error",
            "the disk fails: dmesg");

    private WriteFailure() {}

    /** The system's words, and the next step where one is known; never empty. */
    public static String text(IOException e) {
        String words = words(e);
        String remedy = remedy(words);
        return remedy.isEmpty() ? words : words + "; " + remedy;
    }

    /** The next step for what the system, or a program, has said; empty when none is known. */
    public static String remedy(String words) {
        for (Map.Entry<String, String> known : REMEDIES.entrySet()) {
            if (words.contains(known.getKey())) {
                return known.getValue();
            }
        }
        return "";
    }

    /** Whether the system, or a program, has said that the disk is full. */
    public static boolean isFull(String words) {
        return words.contains(FULL);
    }

    /** Whether a program has said that a disk takes nothing more; other refusals may be those of the network, or of something that did no harm. */
    public static boolean isOfDisk(String words) {
        return words.contains(FULL) || words.contains(READ_ONLY) || words.contains(QUOTA);
    }

    /** The system's words: some failures of the JDK have nothing but the file's name for a message. */
    public static String words(IOException e) {
        String message = e.getMessage();
        if (e instanceof AccessDeniedException denied && denied.getReason() == null) {
            return denied.getFile() + ": Permission denied";
        }
        if (e instanceof FileSystemException failure && failure.getReason() == null) {
            return failure.getClass().getSimpleName() + " of " + failure.getFile();
        }
        return message == null ? e.getClass().getSimpleName() : message;
    }
}
