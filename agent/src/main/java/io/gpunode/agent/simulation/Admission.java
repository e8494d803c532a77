package io.gpunode.agent.simulation;

import io.gpunode.deviceplugin.v1beta1.AllocateResponse;
import java.util.List;

/** What became of a container that asked for devices. */
public sealed interface Admission {
    /**
     * It runs.
     *
     * @param ids its devices, in the order in which they were asked for
     * @param response the plugin's answer to Allocate; empty when no device was asked for
     */
    record Admitted(List<String> ids, AllocateResponse response) implements Admission {}

    /**
     * It was refused for good, as a pod with phase Failed and reason {@code UnexpectedAdmissionError}.
     *
     * @param message as in the pod's status
     */
    record Refused(String message) implements Admission {}
}
