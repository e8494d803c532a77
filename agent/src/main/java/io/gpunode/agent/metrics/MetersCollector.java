package io.gpunode.agent.metrics;

import java.util.List;

/** The agent's own meters, as Micrometer last rendered them; asks for a newer rendering, which the next scrape will show. */
final class MetersCollector implements Collector {
    private final MicrometerMeters meters;

    MetersCollector(MicrometerMeters meters) {
        this.meters = meters;
    }

    @Override
    public String name() {
        return "meters";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        MicrometerMeters.Rendering rendering = meters.scraped();
        if (rendering != null) {
            out.family(OwnMetric.METERS_AGE_SECONDS)
                    .series(OwnMetric.METERS_AGE_SECONDS)
                    .thousandths(Math.max(0, scrape.now().since(rendering.at()).toMillis()));
            RenderedMeters shown = rendering.meters();
            List<RenderedMeters.Family> families = shown.families();
            for (int i = 0; i < families.size(); i++) {
                RenderedMeters.Family family = families.get(i);
                out.family(family.family()).lines(shown.text(), family.from(), family.to());
            }
        }
    }
}
