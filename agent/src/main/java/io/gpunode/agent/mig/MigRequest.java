package io.gpunode.agent.mig;

/**
 * What one GPU is to become.
 *
 * @param gpu as it was read
 * @param wish what it is to be
 * @param use who uses its instances: those are not touched
 */
public record MigRequest(MigGpu gpu, MigWish wish, MigUse use) {}
