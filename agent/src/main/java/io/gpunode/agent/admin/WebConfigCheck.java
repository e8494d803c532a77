package io.gpunode.agent.admin;

import io.gpunode.agent.config.Report;
import java.nio.file.Path;
import java.time.Instant;

/** Says what is wrong with a web configuration without serving it. */
public final class WebConfigCheck {
    private WebConfigCheck() {}

    /**
     * Reads a web configuration and the files that it names.
     *
     * @param now for what certificates' dates mean
     * @return what keeps it from being used, and what should be known about it
     */
    public static Report of(Path file, Instant now) {
        Report report = new Report(true);
        var _ = new WebConfigReader(file, report, now).read(WebConfig.NONE);
        return report;
    }
}
