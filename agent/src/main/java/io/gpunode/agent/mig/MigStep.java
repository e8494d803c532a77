package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigPlacement;

/**
 * One change of one GPU, as small as NVML makes them. GPU instances are named by their place, which no other one shares at that moment: the
 * id of one that is yet to be made is not known.
 */
public sealed interface MigStep {
    /** What it does, in words for people. */
    String text();

    /**
     * Turns the mode on or off; on Ampere the driver resets the GPU in the same call. Asked again while a mode is pending, it tries again.
     *
     * @param reset whether the chip needs a reset for it
     * @param inForce whether the mode is in force afterwards; otherwise it is pending until the machine was restarted
     */
    record SetMode(boolean enabled, boolean reset, boolean inForce) implements MigStep {
        @Override
        public String text() {
            return "turn MIG mode " + (enabled ? "on" : "off") + (reset ? ", which resets the GPU" : "")
                    + (inForce ? "" : "; it may come into force only when the GPU was reset or the machine restarted");
        }
    }

    /**
     * Destroys a compute instance.
     *
     * @param instance where its GPU instance lies
     * @param part where it lies in it
     * @param name the MIG device's, for example {@code 1c.3g.40gb}
     */
    record DestroyPart(MigPlacement instance, int instanceId, int partId, MigPlacement part, String name)
            implements MigStep {
        @Override
        public String text() {
            return "destroy compute instance " + partId + " of GPU instance " + instanceId + " (" + name + ")";
        }
    }

    /** Destroys a GPU instance without compute instances. */
    record DestroyInstance(MigPlacement instance, int instanceId, String name) implements MigStep {
        @Override
        public String text() {
            return "destroy GPU instance " + instanceId + " (" + name + " at " + instance + ")";
        }
    }

    /** Makes a GPU instance at this place. */
    record CreateInstance(int profileId, MigPlacement instance, String name) implements MigStep {
        @Override
        public String text() {
            return "create GPU instance " + name + " at " + instance;
        }
    }

    /** Makes a compute instance of so many slices at this place of the GPU instance that lies there. */
    record CreatePart(MigPlacement instance, int slices, MigPlacement part, String name) implements MigStep {
        @Override
        public String text() {
            return "create compute instance " + name + " at " + part + " in the GPU instance at " + instance;
        }
    }
}
