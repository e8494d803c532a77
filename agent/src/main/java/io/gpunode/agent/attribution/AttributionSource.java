package io.gpunode.agent.attribution;

/** One cached picture for all users. */
@FunctionalInterface
public interface AttributionSource {
    /** Nobody looks. */
    AttributionSource NONE = () -> AttributionPicture.EMPTY;

    /** The newest picture. Never blocks, any thread. */
    AttributionPicture current();
}
