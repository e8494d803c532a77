package io.gpunode.agent.kubernetes;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;

/** Where a credential is read, each time that it is needed: what is in a file may be renewed at any time. */
sealed interface Source {
    /** No token, key or chain of certificates is larger. */
    int LARGEST_BYTES = 256 << 10;

    /** Its text now. */
    String read() throws IOException;

    /** It is in the configuration itself. */
    record Text(String text) implements Source {
        @Override
        public String read() {
            return text;
        }

        @Override
        public String toString() {
            return "the kubeconfig itself";
        }
    }

    /**
     * It is in a file.
     *
     * @param files under whose root {@code path} is
     */
    record File(HostFiles files, Path path) implements Source {
        @Override
        public String read() throws IOException {
            return files.readText(path, LARGEST_BYTES).orElseThrow(() -> new IOException(path + " does not exist"));
        }

        @Override
        public String toString() {
            return path.toString();
        }
    }
}
