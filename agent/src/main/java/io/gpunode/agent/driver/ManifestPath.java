package io.gpunode.agent.driver;

import java.nio.charset.StandardCharsets;

/** Paths that archives and manifests name: relative, and unable to lead out of the directory that they are in. */
final class ManifestPath {
    private static final int PATH_LIMIT = 4_095;
    private static final int NAME_LIMIT = 255;

    private ManifestPath() {}

    /** What is wrong with a relative path; empty when nothing is. */
    static String problem(String path) {
        if (path.isEmpty()) {
            return "is empty";
        }
        if (path.startsWith("/")) {
            return "is absolute";
        }
        if (path.getBytes(StandardCharsets.UTF_8).length > PATH_LIMIT) {
            return "is longer than " + PATH_LIMIT + " bytes";
        }
        if (!plain(path)) {
            return "has characters other than printable ASCII";
        }
        for (String name : path.split("/", -1)) {
            String problem = nameProblem(name);
            if (!problem.isEmpty()) {
                return problem;
            }
        }
        return "";
    }

    private static String nameProblem(String name) {
        return switch (name) {
            case "" -> "has an empty name in it";
            case "." -> "has \".\" in it";
            case ".." -> "has \"..\" in it";
            default ->
                name.getBytes(StandardCharsets.UTF_8).length > NAME_LIMIT
                        ? "has a name of more than " + NAME_LIMIT + " bytes"
                        : "";
        };
    }

    /**
     * What is wrong with a symbolic link; empty when nothing is.
     *
     * @param path of the link, itself without a problem
     * @param target what it says
     */
    static String linkProblem(String path, String target) {
        if (target.isEmpty()) {
            return "leads nowhere";
        }
        if (target.startsWith("/")) {
            return "is absolute";
        }
        if (target.getBytes(StandardCharsets.UTF_8).length > PATH_LIMIT || !plain(target)) {
            return "is longer than " + PATH_LIMIT + " bytes or has characters other than printable ASCII";
        }
        int depth = path.split("/", -1).length - 1;
        boolean named = false;
        for (String name : target.split("/", -1)) {
            if (name.equals("..")) {
                if (named) {
                    return "goes back after a name, which may be a link itself";
                }
                depth--;
            } else if (!name.isEmpty() && !name.equals(".")) {
                named = true;
            }
            if (depth < 0) {
                return "leads out of the archive";
            }
        }
        return "";
    }

    /** Whether a text is of printable ASCII alone, as all of NVIDIA's names are: what another locale makes of the rest is nobody's guess. */
    static boolean plain(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < ' ' || c > '~') {
                return false;
            }
        }
        return true;
    }
}
