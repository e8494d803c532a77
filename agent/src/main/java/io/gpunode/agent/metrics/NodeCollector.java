package io.gpunode.agent.metrics;

import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;

/** What holds for the node as a whole: which agent, whether NVML is open, how old the picture is. Shown whatever state the GPUs are in. */
final class NodeCollector implements Collector {
    private final String agentVersion;

    NodeCollector(String agentVersion) {
        this.agentVersion = agentVersion;
    }

    @Override
    public String name() {
        return "node";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        NodeSnapshot snapshot = scrape.snapshot();
        out.family(OwnMetric.BUILD_INFO)
                .series(OwnMetric.BUILD_INFO)
                .firstLabel("version", agentVersion)
                .endLabels()
                .value(1);
        out.family(OwnMetric.GPUS).series(OwnMetric.GPUS).value(snapshot.gpus().size());
        if (snapshot.nvml() instanceof NvmlState.Open open) {
            out.family(OwnMetric.NVML_INFO)
                    .series(OwnMetric.NVML_INFO)
                    .firstLabel("driver_version", open.driverVersion())
                    .label("nvml_version", open.nvmlVersion())
                    .endLabels()
                    .value(1);
        }
        out.family(OwnMetric.NVML_OPEN).series(OwnMetric.NVML_OPEN).value(snapshot.open() ? 1 : 0);
        if (!snapshot.open()) {
            String kind = snapshot.nvml() instanceof NvmlState.Waiting waiting ? waiting.kind() : "withdrawn";
            out.family(OwnMetric.NVML_WAITING)
                    .series(OwnMetric.NVML_WAITING)
                    .firstLabel("kind", kind)
                    .endLabels()
                    .value(1);
        }
        long age = scrape.wallMillis() - snapshot.takenAt().toEpochMilli();
        out.family(OwnMetric.SNAPSHOT_AGE_SECONDS)
                .series(OwnMetric.SNAPSHOT_AGE_SECONDS)
                .thousandths(Math.max(0, age));
        out.family(OwnMetric.SNAPSHOT_VERSION)
                .series(OwnMetric.SNAPSHOT_VERSION)
                .value(snapshot.version());
    }
}
