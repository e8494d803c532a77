package io.gpunode.agent.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * In which state a load found its files and directories: inode, size and time of the last change of each, taken before it was read. Links are
 * followed, so that a mounted ConfigMap whose {@code ..data} link is swapped differs. Whatever is written to a file afterwards changes its
 * stamp; nothing is missed, and no inotify instance is used, of which nodes run out.
 *
 * @param stamps a text per path; empty for what is not there or cannot be looked at
 */
public record FileStamps(Map<Path, String> stamps) {
    public FileStamps {
        stamps = Map.copyOf(stamps);
    }

    /** The same paths, as they are now. */
    public FileStamps now() {
        Map<Path, String> now = new LinkedHashMap<>();
        for (Path path : stamps.keySet()) {
            now.put(path, of(path));
        }
        return new FileStamps(now);
    }

    /** The stamp of one path. */
    public static String of(Path path) {
        try {
            Map<String, Object> attributes = Files.readAttributes(path, "unix:dev,ino,size,ctime");
            return attributes.get("dev") + " " + attributes.get("ino") + " " + attributes.get("size") + " "
                    + attributes.get("ctime");
        } catch (IOException e) {
            return "";
        }
    }
}
