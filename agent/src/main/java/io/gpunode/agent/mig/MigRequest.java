package io.gpunode.agent.mig;

/**
 * What one GPU is to become.
 *
 * @param gpu as it was read
 * @param wish what it is to be
 * @param use who uses its instances: those are not touched
 * @param mayPend whether another mode may be left pending, for somebody else to reset the GPU
 */
public record MigRequest(MigGpu gpu, MigWish wish, MigUse use, boolean mayPend) {
    /** A mode that does not come into force is taken back. */
    public MigRequest(MigGpu gpu, MigWish wish, MigUse use) {
        this(gpu, wish, use, false);
    }
}
