package io.gpunode.agent.labels;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/**
 * The file that the worker of node-feature-discovery reads: one {@code key=value} a line, sorted. A reader sees a whole file or none, and the
 * worker passes over names that begin with a dot, as the one of an unfinished file does.
 *
 * <p>The file stays when the agent ends, so that the node keeps its labels while the agent is being upgraded; the next one compares. It is taken
 * away when labels are to be elsewhere or nowhere, by the process that wrote it or found its own labels in it: what somebody else has put there
 * since stays. Where labels are to be here, whatever is in the place is replaced, GPU feature discovery's file of the same name among it.
 *
 * <p>The publisher's loop owns it; its standing is for any thread.
 */
final class FeatureFileSink implements LabelSink {
    private static final Log LOG = Log.of(FeatureFileSink.class);
    private static final int FILE_LIMIT = 1 << 20;
    private static final String MODE = "rw-r--r--";

    private final HostFiles files;
    private final Path path;
    private final Path directory;
    private final MonotonicClock clock;
    private final Meters.Counter writes;
    private final Meters.Counter failures;
    /** What this process has seen to be in the file. */
    private @Nullable String own;

    private boolean tidied;
    private int replacedByOthers;
    private volatile Standing standing;

    /** @param path as the host sees it; not the root */
    FeatureFileSink(HostFiles files, Path path, MonotonicClock clock, Meters meters) {
        this.files = files;
        this.path = path;
        this.directory = Optional.ofNullable(path.getParent()).orElse(path);
        this.clock = clock;
        this.writes = meters.counter(
                "gpu_node_agent_labels_file_writes", "Times that the file of feature labels was written or removed.");
        this.failures = meters.counter(
                "gpu_node_agent_labels_file_failures",
                "Times that the file of feature labels could not be written or removed.");
        this.standing = new Standing(path.toString(), true, "", Optional.empty());
    }

    /** The file. */
    Path path() {
        return path;
    }

    @Override
    public Offer offer(Runnable changed) {
        return files.exists(directory) ? Offer.YES : Offer.NO;
    }

    @Override
    public Standing standing() {
        return standing;
    }

    @Override
    public void want(SortedMap<String, String> labels) {
        try {
            boolean changed = labels.isEmpty() ? remove() : write(text(labels));
            if (changed) {
                writes.increment();
            }
            standing = new Standing(path.toString(), true, "", changed ? Optional.of(clock.now()) : standing.written());
        } catch (IOException | RuntimeException e) {
            failures.increment();
            String problem = (labels.isEmpty() ? "cannot remove " : "cannot write ") + path + ": " + why(e)
                    + "; check that "
                    + directory + " is a directory that this process may write and that its disk has room, or set"
                    + " flags.gfd.outputFile or labels.sink";
            if (!problem.equals(standing.problem())) {
                LOG.error("the file of feature labels is not as it should be", "error", problem);
            }
            standing = new Standing(path.toString(), false, problem, standing.written());
        }
    }

    /** Without the name of the unfinished file, which is another one each time. */
    private static String why(Exception e) {
        if (e instanceof FileSystemException refused) {
            String reason = refused.getReason();
            return reason == null ? e.getClass().getSimpleName() : reason;
        }
        return e.toString();
    }

    private static String text(SortedMap<String, String> labels) {
        StringBuilder text = new StringBuilder(labels.size() * 64);
        for (Map.Entry<String, String> label : labels.entrySet()) {
            text.append(label.getKey()).append('=').append(label.getValue()).append('\n');
        }
        return text.toString();
    }

    /** Whether something had to be written. */
    private boolean write(String text) throws IOException {
        tidy();
        Optional<String> present = present();
        if (present.equals(Optional.of(text))) {
            own = text;
            return false;
        }
        if (own != null && present.isPresent() && !present.get().equals(own)) {
            replacedByOthers++;
            if (Integer.bitCount(replacedByOthers) == 1) {
                LOG.warn(
                        "another process writes the file of feature labels: see whether NVIDIA's gpu-feature-discovery still runs",
                        "path",
                        path,
                        "times",
                        replacedByOthers);
            }
        }
        files.replace(path, text.getBytes(StandardCharsets.UTF_8), MODE);
        own = text;
        LOG.info("wrote the file of feature labels", "path", path);
        return true;
    }

    /** Whether something had to be removed. */
    private boolean remove() throws IOException {
        String mine = own;
        if (mine == null) {
            return false;
        }
        Optional<String> present = present();
        boolean stillMine = present.equals(Optional.of(mine));
        if (stillMine) {
            files.delete(path);
            LOG.info("removed the file of feature labels", "path", path);
        }
        own = null;
        return stillMine;
    }

    /** What is in the file; empty when there is none, or one that is nothing to compare with. */
    private Optional<String> present() {
        try {
            // Reading takes the last line's end off.
            return files.readText(path, FILE_LIMIT).map(text -> text + "\n");
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Removes what a process that was killed while it wrote has left behind. */
    private void tidy() throws IOException {
        if (tidied) {
            return;
        }
        String unfinished = "." + path.getFileName() + ".";
        for (String name : files.list(directory)) {
            if (name.startsWith(unfinished) && name.endsWith(".tmp")) {
                files.delete(directory.resolve(name));
            }
        }
        tidied = true;
    }
}
