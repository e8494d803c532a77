package io.gpunode.agent.model;

/**
 * What a MIG device has beside memory and slices ({@code nvmlDeviceGetAttributes}). Engines are those of its GPU instance, which the compute
 * instances of it share.
 *
 * @param multiprocessors streaming multiprocessors of the compute instance
 * @param copyEngines copy engines
 * @param decoders video decoders
 * @param encoders video encoders
 * @param jpegEngines JPEG decoders
 * @param opticalFlowEngines optical flow accelerators
 */
public record MigAttributes(
        int multiprocessors, int copyEngines, int decoders, int encoders, int jpegEngines, int opticalFlowEngines) {}
