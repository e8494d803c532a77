package io.gpunode.agent.net;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;

/** What is at a path where a socket is expected. Two looks are equal when nothing has been put there in between. */
public sealed interface SocketFile {
    /** Nothing. */
    record Missing() implements SocketFile {}

    /**
     * A socket, told from its successors at the same path: an inode number alone is used again at once by some file systems.
     *
     * @param changed the inode's change time, text of the file system's full precision
     */
    record Present(long device, long inode, String changed) implements SocketFile {}

    /** Something else, or nothing that can be looked at. {@code why} is a sentence with the path and the next step. */
    record Unusable(String why) implements SocketFile {}

    /** Looks. One stat(2), follows links. */
    static SocketFile look(Path path) {
        Map<String, Object> attributes;
        try {
            attributes = Files.readAttributes(path, "unix:mode,dev,ino,ctime");
        } catch (NoSuchFileException e) {
            return new Missing();
        } catch (IOException e) {
            return new Unusable("cannot look at " + path + ": " + reason(e)
                    + "; the agent needs search permission on its directories");
        }
        int type = (int) number(attributes, "mode") & 0xf000;
        if (type != 0xc000) {
            return new Unusable(path + " is " + (type == 0x4000 ? "a directory" : "not a socket") + "; remove it");
        }
        return new Present(
                number(attributes, "dev"), number(attributes, "ino"), String.valueOf(attributes.get("ctime")));
    }

    private static long number(Map<String, Object> attributes, String name) {
        return attributes.get(name) instanceof Number number ? number.longValue() : 0;
    }

    private static String reason(IOException e) {
        return e instanceof AccessDeniedException ? "permission denied" : String.valueOf(e.getMessage());
    }
}
