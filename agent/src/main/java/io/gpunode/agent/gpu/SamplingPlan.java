package io.gpunode.agent.gpu;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlSampler;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is asked of one device at a sampling, compiled: first quantities, then those of each NVLink. Owned by the GPU's lane; another thread may ask
 * {@link #functionInFlight}.
 */
final class SamplingPlan implements AutoCloseable {
    private final Quantity[] quantities;
    private final LinkQuantity[] linkQuantities;
    private final int links;
    private final NvmlQuery[] queries;
    private final NvmlSampler sampler;
    private final long[] raw;
    private final int[] codes;

    private SamplingPlan(Builder builder, Nvml nvml) {
        this.quantities = builder.quantities.toArray(Quantity[]::new);
        this.linkQuantities = builder.linkQuantities.toArray(LinkQuantity[]::new);
        this.links = builder.links;
        this.queries = builder.queries.toArray(NvmlQuery[]::new);
        this.sampler = nvml.sampler(builder.queries);
        this.raw = new long[queries.length];
        this.codes = new int[queries.length];
    }

    /** Gathers what is asked for. */
    static final class Builder {
        private final List<NvmlQuery> queries = new ArrayList<>();
        private final List<Quantity> quantities = new ArrayList<>();
        private final List<LinkQuantity> linkQuantities = new ArrayList<>();
        private int links;

        /** Before any link quantity. */
        void add(Quantity quantity, NvmlQuery query) {
            quantities.add(quantity);
            queries.add(query);
        }

        /** These of each link; those that are computed are left out. */
        void addLinks(int count, Iterable<LinkQuantity> wanted) {
            for (LinkQuantity quantity : wanted) {
                if (Quantities.ofLink(quantity, 0) != null) {
                    linkQuantities.add(quantity);
                }
            }
            links = linkQuantities.isEmpty() ? 0 : count;
            for (int link = 0; link < links; link++) {
                for (LinkQuantity quantity : linkQuantities) {
                    NvmlQuery query = Quantities.ofLink(quantity, link);
                    if (query != null) {
                        queries.add(query);
                    }
                }
            }
        }

        SamplingPlan build(Nvml nvml) {
            return new SamplingPlan(this, nvml);
        }
    }

    /** Whether it asks for nothing. */
    boolean isEmpty() {
        return queries.length == 0;
    }

    /** Asks everything once. */
    void read(NvmlDevice device) {
        sampler.read(device, raw, codes);
    }

    /** How many quantities it asks for; links' are not among them. */
    int size() {
        return quantities.length;
    }

    /** The quantity at a place. */
    Quantity quantity(int place) {
        return quantities[place];
    }

    /** The query at a place, also of a link's. */
    NvmlQuery query(int place) {
        return queries[place];
    }

    /** How many links it asks for. */
    int links() {
        return links;
    }

    /** How many quantities it asks of each link. */
    int linkSize() {
        return linkQuantities.length;
    }

    /** The quantity at a place of each link. */
    LinkQuantity linkQuantity(int place) {
        return linkQuantities[place];
    }

    /** The place of a link's quantity among all that is asked for. */
    int place(int link, int place) {
        return quantities.length + link * linkQuantities.length + place;
    }

    /** The {@code nvmlReturn_t} of the last reading. */
    int code(int place) {
        return codes[place];
    }

    /** The number of the last reading, whole; only meaningful when its {@link #code} is 0. */
    long value(int place) {
        return sampler.isDouble(place) ? Math.round(Double.longBitsToDouble(raw[place])) : raw[place];
    }

    /** Whether the answer is a number at all: a double may be none, and NVML says "not available" with all ones. */
    boolean isNumber(int place, boolean signed) {
        if (sampler.isDouble(place)) {
            return !Double.isNaN(Double.longBitsToDouble(raw[place]));
        }
        return signed || (raw[place] != -1L && raw[place] != 0xFFFF_FFFFL);
    }

    /** Whether the counter has 32 bits only. */
    boolean isNarrow(int place) {
        return sampler.isNarrow(place);
    }

    /** The function of the call that is running; null when none is. Any thread. */
    @Nullable String functionInFlight() {
        int place = sampler.inFlight();
        return place < 0 || place >= queries.length ? null : Quantities.functionOf(queries[place]);
    }

    /** Frees the native buffers. Not while it reads. */
    @Override
    public void close() {
        sampler.close();
    }
}
