package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import java.util.List;
import java.util.stream.Collectors;

/** Why a GPU cannot be what it is wanted to be. Nothing was touched. */
public sealed interface MigRefusal {
    /** Which GPU. */
    GpuId gpu();

    /** The reason and the next step, for people. */
    String message();

    /** The GPU has no MIG. */
    record NotCapable(GpuId gpu, int index, String product, String why) implements MigRefusal {
        @Override
        public String message() {
            return label(gpu, index) + ", " + product + ", has no MIG (" + why
                    + "): leave it out, for example with device-filter, or want MIG disabled for it";
        }
    }

    /** How it is split, or what it can be split into, could not be read. */
    record Unknown(GpuId gpu, int index, String why) implements MigRefusal {
        @Override
        public String message() {
            return label(gpu, index) + ": " + why;
        }
    }

    /** A kind of MIG device that this GPU never has. */
    record NoSuchKind(GpuId gpu, int index, MigWish.Kind kind, List<String> known) implements MigRefusal {
        @Override
        public String message() {
            return label(gpu, index) + " has no MIG devices of GPU instance profile " + kind.profileId() + " with "
                    + kind.computeSlices() + " compute slices; it has " + String.join(", ", known);
        }
    }

    /**
     * The wanted MIG devices do not fit on the GPU together.
     *
     * @param wanted for people
     * @param nearest what does fit, the nearest first
     */
    record DoesNotFit(GpuId gpu, int index, String wanted, List<Suggestion> nearest) implements MigRefusal {
        public DoesNotFit {
            nearest = List.copyOf(nearest);
        }

        @Override
        public String message() {
            return label(gpu, index) + " cannot be split into " + wanted + " at the same time"
                    + (nearest.isEmpty()
                            ? ""
                            : "; what fits: "
                                    + nearest.stream().map(Suggestion::text).collect(Collectors.joining(" | ")));
        }
    }

    /**
     * What fits instead.
     *
     * @param wish the devices
     * @param text the same for people: {@code 2 x 3g.40gb, 1 x 1g.10gb}
     * @param leftOut how many of the wanted GPU instances it is without
     * @param added how many others it has in their place
     */
    record Suggestion(MigWish.Devices wish, String text, int leftOut, int added) {}

    /**
     * Instances in use would have to go.
     *
     * @param instances for people: what would go, and who uses it
     */
    record InUse(GpuId gpu, int index, List<String> instances) implements MigRefusal {
        public InUse {
            instances = List.copyOf(instances);
        }

        @Override
        public String message() {
            return label(gpu, index) + " is in use: " + String.join("; ", instances)
                    + ". End them, or wait until they have ended, and try again";
        }
    }

    private static String label(GpuId gpu, int index) {
        return "GPU " + index + " (" + gpu + ")";
    }
}
