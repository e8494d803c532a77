package io.gpunode.agent.assembly;

import io.gpunode.agent.admin.Page;
import io.gpunode.agent.metrics.ExpositionFormat;
import io.gpunode.agent.metrics.MetricsExposition;

/** {@code /metrics} in the format that the request prefers. Asked on the event loop. */
final class MetricsPage implements Page {
    private final MetricsExposition exposition;

    /** What was accepted last and what that meant: a scraper says the same each time. */
    private String lastAccept = "";

    private ExpositionFormat lastFormat = ExpositionFormat.TEXT;

    MetricsPage(MetricsExposition exposition) {
        this.exposition = exposition;
    }

    @Override
    public String contentType() {
        return ExpositionFormat.TEXT.contentType();
    }

    @Override
    public int write(Body body) {
        String accept = body.asked("accept");
        if (!accept.equals(lastAccept)) {
            lastFormat = ExpositionFormat.preferred(accept);
            lastAccept = accept;
        }
        body.header("content-type", lastFormat.contentType());
        body.header("vary", "accept");
        exposition.render(lastFormat, body::write);
        return 200;
    }
}
