package io.gpunode.agent.attribution;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which batch jobs use which devices, as a batch system's prologue writes it: in a directory a file for each device, named by the GPU's index or by
 * {@code index.instance}, with a job a line. Everything is bounded: what is too much, or has another name, is passed over and counted. For one thread.
 */
final class JobFiles {
    private static final Log LOG = Log.of(JobFiles.class);
    private static final int MOST_FILES = 512;
    private static final int FILE_LIMIT = 16 << 10;
    private static final int MOST_JOBS = 64;
    private static final int LONGEST_JOB = 128;
    private static final int LONGEST_NUMBER = 5;

    private final HostFiles files;
    private String told = "";
    private int skipped;

    JobFiles(HostFiles files) {
        this.files = files;
    }

    /** Jobs by device, those of a device in the file's order; empty while there is no such directory. */
    Map<String, List<String>> read(Path directory) {
        Map<String, List<String>> jobs = new TreeMap<>();
        int passedOver = 0;
        String problem = "";
        try {
            for (String name : files.list(directory)) {
                if (!isDevice(name) || jobs.size() == MOST_FILES) {
                    passedOver++;
                    continue;
                }
                try {
                    Optional<String> text = files.readText(directory.resolve(name), FILE_LIMIT);
                    if (text.isPresent()) {
                        passedOver += add(jobs, name, text.get());
                    }
                } catch (IOException e) {
                    passedOver++;
                    problem = String.valueOf(e.getMessage());
                }
            }
        } catch (IOException e) {
            problem = String.valueOf(e.getMessage());
        }
        if (!problem.isEmpty() && !problem.equals(told)) {
            LOG.warn("jobs cannot be read", "path", directory, "error", problem);
        }
        told = problem;
        skipped = passedOver;
        return jobs;
    }

    /** How many files and lines were passed over the last time. */
    int skipped() {
        return skipped;
    }

    private static int add(Map<String, List<String>> jobs, String device, String text) {
        Set<String> found = new LinkedHashSet<>();
        int passedOver = 0;
        for (String line : text.split("\n", -1)) {
            String job = line.strip();
            if (isJob(job) && (found.size() < MOST_JOBS || found.contains(job))) {
                found.add(job);
            } else if (!job.isEmpty()) {
                passedOver++;
            }
        }
        if (!found.isEmpty()) {
            jobs.put(device, List.copyOf(new ArrayList<>(found)));
        }
        return passedOver;
    }

    private static boolean isJob(String line) {
        for (int i = 0; i < line.length(); i++) {
            if (Character.isISOControl(line.charAt(i))) {
                return false;
            }
        }
        return !line.isEmpty() && line.length() <= LONGEST_JOB;
    }

    private static boolean isDevice(String name) {
        int dot = name.indexOf('.');
        return dot < 0 ? isNumber(name) : isNumber(name.substring(0, dot)) && isNumber(name.substring(dot + 1));
    }

    private static boolean isNumber(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) < '0' || text.charAt(i) > '9') {
                return false;
            }
        }
        return !text.isEmpty() && text.length() <= LONGEST_NUMBER;
    }
}
