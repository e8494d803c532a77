package io.gpunode.agent.metrics;

import io.gpunode.agent.model.BoardText;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One row of the {@linkplain FieldCatalogue catalogue}: a metric (or label) under the name that DCGM gave it.
 *
 * @param name DCGM's field name as dcgm-exporter's own counters files spell it, the metric's name
 * @param aliases other spellings of the same field: DCGM 4.6's, older ones, and those of exporter 1.x
 * @param id DCGM's field id; 0 of a row that DCGM does not have
 * @param help for the HELP line, with the unit
 * @param unit of the metric, in a word; empty for plain numbers
 * @param source where its value comes from
 * @param scope which device it is shown for when MIG is on
 * @param since the first driver branch and chip that have it; empty for all that the agent supports
 * @param byDefault whether it is shown when the configuration says nothing
 */
record Field(
        String name,
        List<String> aliases,
        int id,
        String help,
        String unit,
        Source source,
        Scope scope,
        String since,
        boolean byDefault) {

    /** What a value belongs to when a GPU is split. */
    enum Scope {
        /** The board: one series per physical GPU, MIG or not. */
        BOARD,
        /** The GPU instance: one series each while MIG is on, one for the GPU otherwise. */
        GPU_INSTANCE
    }

    /** Where a field's value comes from. */
    sealed interface Source {}

    /**
     * A sampled number.
     *
     * @param unsupportedIsZero whether hardware without the feature shows 0, as the exporter does for this field, instead of nothing
     */
    record Sampled(MetricType type, Quantity quantity, Conversion conversion, boolean unsupportedIsZero)
            implements Source {}

    /** A sampled number of each NVLink: one series per link, with the labels of a link. */
    record PerLink(MetricType type, LinkQuantity quantity) implements Source {}

    /** A sampled number of the NVLink with this number, shown as one of its GPU. */
    record OfLink(MetricType type, LinkQuantity quantity, int link) implements Source {}

    /** The number of the last XID, with its labels. */
    record LastXid() implements Source {}

    /**
     * What a collector of its own works out, often from several pictures.
     *
     * @param from what it is worked out from, in words
     * @param reads what has to be read for it
     */
    record Derived(MetricType type, String from, Set<Quantity> reads) implements Source {
        public Derived {
            reads = Set.copyOf(reads);
        }
    }

    /** A text that becomes a label of every series of the device. */
    record Label(LabelText text) implements Source {}

    /**
     * A field of DCGM that the agent cannot give.
     *
     * @param why a sentence without its full stop, to be put after the field's name and a colon
     */
    record Refused(String why) implements Source {}

    /** From the quantity's unit to the metric's. */
    enum Conversion {
        AS_IS,
        /** Milliwatts as watts. */
        THOUSANDTHS,
        /** Bytes as whole MiB, rounded down. */
        MEBIBYTES,
        /** NVML's code of a bit error ratio (exponent in bits 0 to 7, mantissa in bits 8 to 11) as that ratio. */
        ERROR_RATIO
    }

    /** Which text a label field shows. */
    enum LabelText {
        DRIVER_VERSION,
        NVML_VERSION,
        CUDA_DRIVER_VERSION,
        NAME,
        INDEX,
        SERIAL,
        UUID,
        MINOR_NUMBER,
        PCI_BUS_ID,
        COMPUTE_CAPABILITY,
        VBIOS_VERSION,
        FABRIC_CLUSTER,
        BRAND(BoardText.BRAND),
        INFOROM_IMAGE_VERSION(BoardText.INFOROM_IMAGE_VERSION),
        INFOROM_OEM_VERSION(BoardText.INFOROM_OEM_VERSION),
        INFOROM_ECC_VERSION(BoardText.INFOROM_ECC_VERSION),
        INFOROM_POWER_VERSION(BoardText.INFOROM_POWER_VERSION);

        private final @Nullable BoardText boardText;

        LabelText() {
            this(null);
        }

        LabelText(@Nullable BoardText boardText) {
            this.boardText = boardText;
        }

        /** What has to be read for it; null when it is in every picture. */
        @Nullable BoardText boardText() {
            return boardText;
        }
    }

    /** For the TYPE line; null for what is no metric. */
    @Nullable MetricType type() {
        return switch (source) {
            case Sampled sampled -> sampled.type();
            case PerLink perLink -> perLink.type();
            case OfLink ofLink -> ofLink.type();
            case Derived derived -> derived.type();
            case LastXid _ -> MetricType.GAUGE;
            case Label _, Refused _ -> null;
        };
    }

    /** What the reference's counters file would say in its type column. */
    String typeText() {
        MetricType type = type();
        return type == null ? "label" : type.text();
    }
}
