package io.gpunode.agent.gpu;

/** What a GPU's answers, taken together, say about it. */
public sealed interface GpuCondition {
    /** It answers. Single readings may still be unsupported or fail. */
    record Answering() implements GpuCondition {
        static final Answering INSTANCE = new Answering();
    }

    /** NVML says that it is lost or needs a reset, or no call for it succeeds. */
    record Lost(String reason) implements GpuCondition {}

    /** NVML says that the driver is gone; when it says so for every GPU, the session is of no more use. */
    record DriverGone(String returned) implements GpuCondition {}
}
