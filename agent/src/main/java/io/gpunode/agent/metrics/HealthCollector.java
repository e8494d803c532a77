package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidEvent;
import java.util.List;

/** Whether each GPU is well, what the checks found, whether it answers, and how old its numbers are. Shown for GPUs that do not answer too. */
final class HealthCollector implements Collector {
    @Override
    public String name() {
        return "health";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        ofNode(scrape.snapshot().findings(), out);
        List<Gpu> gpus = scrape.snapshot().gpus();
        if (gpus.isEmpty()) {
            return;
        }
        findings(gpus, out);
        migDevices(gpus, out);
        out.family(OwnMetric.GPU_HEALTHY);
        for (Gpu gpu : gpus) {
            begin(OwnMetric.GPU_HEALTHY, gpu, out).endLabels().value(gpu.healthy() ? 1 : 0);
        }
        out.family(OwnMetric.GPU_LANE_RESPONSIVE);
        for (Gpu gpu : gpus) {
            begin(OwnMetric.GPU_LANE_RESPONSIVE, gpu, out)
                    .endLabels()
                    .value(gpu.lane() instanceof LaneState.Responsive ? 1 : 0);
        }
        lastXids(gpus, out);
        sampleAges(gpus, scrape.wallMillis(), out);
    }

    private static void findings(List<Gpu> gpus, ExpositionWriter out) {
        boolean begun = false;
        for (Gpu gpu : gpus) {
            List<Finding> findings = gpu.health().all();
            for (int i = 0; i < findings.size(); i++) {
                Finding finding = findings.get(i);
                if (isRepeated(findings, i)) {
                    continue;
                }
                if (!begun) {
                    out.family(OwnMetric.GPU_FINDING);
                    begun = true;
                }
                begin(OwnMetric.GPU_FINDING, gpu, out)
                        .label("check", finding.check())
                        .label("severity", severity(finding))
                        .endLabels()
                        .value(1);
            }
        }
    }

    private static void ofNode(List<Finding> findings, ExpositionWriter out) {
        for (int i = 0; i < findings.size(); i++) {
            if (i == 0) {
                out.family(OwnMetric.NODE_FINDING);
            }
            if (!isRepeated(findings, i)) {
                out.series(OwnMetric.NODE_FINDING)
                        .character('{')
                        .text("check=\"")
                        .text(findings.get(i).check())
                        .character('"')
                        .label("severity", severity(findings.get(i)))
                        .endLabels()
                        .value(1);
            }
        }
    }

    private static void migDevices(List<Gpu> gpus, ExpositionWriter out) {
        boolean begun = false;
        for (Gpu gpu : gpus) {
            for (MigDevice mig : gpu.migDevices()) {
                List<Finding> findings = mig.health().all();
                for (int i = 0; i < findings.size(); i++) {
                    if (isRepeated(findings, i)) {
                        continue;
                    }
                    if (!begun) {
                        out.family(OwnMetric.MIG_DEVICE_FINDING);
                        begun = true;
                    }
                    begin(OwnMetric.MIG_DEVICE_FINDING, gpu, mig, out)
                            .label("check", findings.get(i).check())
                            .label("severity", severity(findings.get(i)))
                            .endLabels()
                            .value(1);
                }
            }
        }
        begun = false;
        for (Gpu gpu : gpus) {
            for (MigDevice mig : gpu.migDevices()) {
                if (!begun) {
                    out.family(OwnMetric.MIG_DEVICE_HEALTHY);
                    begun = true;
                }
                boolean healthy = gpu.healthy() && mig.health() instanceof GpuHealth.Healthy;
                begin(OwnMetric.MIG_DEVICE_HEALTHY, gpu, mig, out).endLabels().value(healthy ? 1 : 0);
            }
        }
    }

    /** Whether an earlier finding has the same labels; a series must not be shown twice. */
    private static boolean isRepeated(List<Finding> findings, int place) {
        Finding finding = findings.get(place);
        for (int i = 0; i < place; i++) {
            Finding earlier = findings.get(i);
            if (earlier.check().equals(finding.check()) && earlier.severity() == finding.severity()) {
                return true;
            }
        }
        return false;
    }

    private static String severity(Finding finding) {
        return switch (finding.severity()) {
            case REMARK -> "remark";
            case FATAL -> "fatal";
            case NODE -> "node";
        };
    }

    private static void lastXids(List<Gpu> gpus, ExpositionWriter out) {
        boolean begun = false;
        for (Gpu gpu : gpus) {
            if (gpu.lastXid() instanceof Reading.Value<XidEvent>(XidEvent event)) {
                if (!begun) {
                    out.family(OwnMetric.GPU_LAST_XID_TIMESTAMP_SECONDS);
                    begun = true;
                }
                begin(OwnMetric.GPU_LAST_XID_TIMESTAMP_SECONDS, gpu, out)
                        .endLabels()
                        .thousandths(event.at().toEpochMilli());
            }
        }
    }

    private static void sampleAges(List<Gpu> gpus, long wallMillis, ExpositionWriter out) {
        boolean begun = false;
        for (Gpu gpu : gpus) {
            long sampledAt = gpu.sample().sampledAtEpochMillis();
            if (sampledAt > 0) {
                if (!begun) {
                    out.family(OwnMetric.GPU_SAMPLE_AGE_SECONDS);
                    begun = true;
                }
                begin(OwnMetric.GPU_SAMPLE_AGE_SECONDS, gpu, out)
                        .endLabels()
                        .thousandths(Math.max(0, wallMillis - sampledAt));
            }
        }
    }

    private static ExpositionWriter begin(OwnMetric metric, Gpu gpu, ExpositionWriter out) {
        return out.series(metric)
                .character('{')
                .text("gpu=\"")
                .number(gpu.index())
                .character('"')
                .label("UUID", gpu.id().uuid());
    }

    private static ExpositionWriter begin(OwnMetric metric, Gpu gpu, MigDevice mig, ExpositionWriter out) {
        return begin(metric, gpu, out)
                .text(",GPU_I_ID=\"")
                .number(mig.gpuInstanceId())
                .character('"')
                .label("mig_uuid", mig.id().uuid());
    }
}
