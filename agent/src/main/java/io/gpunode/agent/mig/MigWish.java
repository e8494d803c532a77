package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What one GPU is to be: MIG off, MIG on whatever the instances are, exactly these MIG devices wherever they lie, or a layout as it was
 * once.
 */
public sealed interface MigWish {
    /** MIG off. */
    record Disabled() implements MigWish {}

    /** MIG on; instances stay as they are. */
    record ModeOnly() implements MigWish {}

    /**
     * This layout, with every instance where it says: how GPUs are brought back to what was written down.
     *
     * @param layout with the ids of profiles on the GPU that the wish is for
     */
    record Exactly(MigLayout layout) implements MigWish {}

    /**
     * MIG on and exactly these MIG devices; none at all is a wish too.
     *
     * @param devices each kind with how many, in the order of kinds; counts are at least 1
     */
    record Devices(Map<Kind, Integer> devices) implements MigWish {
        public Devices {
            Map<Kind, Integer> sorted = new TreeMap<>(devices);
            sorted.forEach((kind, count) -> {
                if (count < 1) {
                    throw new IllegalArgumentException("a wish for " + count + " of " + kind);
                }
            });
            devices = Collections.unmodifiableMap(sorted);
        }

        /** How many MIG devices. */
        public int count() {
            return devices.values().stream().mapToInt(Integer::intValue).sum();
        }

        /** Every single device, in the order of kinds. */
        public List<Kind> each() {
            List<Kind> all = new ArrayList<>();
            devices.forEach((kind, count) -> {
                for (int i = 0; i < count; i++) {
                    all.add(kind);
                }
            });
            return all;
        }
    }

    /**
     * A kind of MIG device of one GPU: a compute instance of so many slices in a GPU instance of this profile. Several that are less than the
     * whole share GPU instances as tightly as they fit.
     *
     * @param profileId the {@link MigProfile#id()} on the GPU that the wish is for
     * @param computeSlices of the compute instance; the profile's own slices for the whole
     */
    record Kind(int profileId, int computeSlices) implements Comparable<Kind> {
        private static final Comparator<Kind> ORDER =
                Comparator.comparingInt(Kind::profileId).thenComparingInt(Kind::computeSlices);

        /** The whole GPU instance as one MIG device. */
        public static Kind whole(MigProfile profile) {
            return new Kind(profile.id(), profile.slices());
        }

        @Override
        public int compareTo(Kind other) {
            return ORDER.compare(this, other);
        }
    }
}
