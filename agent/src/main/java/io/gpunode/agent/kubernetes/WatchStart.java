package io.gpunode.agent.kubernetes;

/** How asking for a watch ended. */
sealed interface WatchStart permits WatchStart.Refused, WatchStream {
    /** The server did not want to. */
    record Refused(ApiAnswer answer) implements WatchStart {}
}
