package io.gpunode.agent.metrics;

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
            out.raw(rendering.text());
        }
    }
}
