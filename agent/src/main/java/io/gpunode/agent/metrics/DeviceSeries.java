package io.gpunode.agent.metrics;

import io.gpunode.agent.podresources.PodUse;
import java.util.List;
import java.util.OptionalInt;

/**
 * A GPU or GPU instance that device metrics are shown for, with its labels ready to copy.
 *
 * @param gpuPlace its GPU's place in the picture
 * @param migPlace for a GPU instance, the place of its first MIG device in the GPU's list; -1 for a GPU
 * @param split whether it is a GPU with GPU instances, which have the instance-scoped fields then
 * @param gpu the value of label {@code gpu}
 * @param uuid the GPU's UUID
 * @param gpuInstanceId the value of label {@code GPU_I_ID}; empty for a GPU
 * @param labels all labels with their braces, in UTF-8
 * @param linkLabels what follows the link's number in the labels of one of its NVLinks, with the closing brace
 * @param deviceLabels the labels up to those of the pod, with the opening brace
 * @param podLabels the labels of the pod, in order
 * @param holders the containers that hold it, each once
 */
@SuppressWarnings("ArrayRecordComponent") // Prepared bytes that the renderer copies; nobody compares two series.
record DeviceSeries(
        int gpuPlace,
        int migPlace,
        boolean split,
        String gpu,
        String uuid,
        String gpuInstanceId,
        byte[] labels,
        byte[] linkLabels,
        String deviceLabels,
        List<PodLabel> podLabels,
        List<PodUse> holders) {

    /**
     * Whether it is what an XID of a GPU instance belongs to: that instance, or its GPU when the driver named none, or one that has no series.
     *
     * @param all the series of the page
     */
    boolean isHomeOf(OptionalInt gpuInstance, List<DeviceSeries> all) {
        String instance = gpuInstance.isPresent() ? Integer.toString(gpuInstance.getAsInt()) : "";
        if (gpuInstanceId.equals(instance)) {
            return true;
        }
        if (migPlace >= 0) {
            return false;
        }
        for (DeviceSeries other : all) {
            if (other.gpuPlace == gpuPlace && other.gpuInstanceId.equals(instance)) {
                return false;
            }
        }
        return true;
    }

    /** The compute instance that labels name; none for a GPU. */
    OptionalInt shown(OptionalInt computeInstance) {
        return migPlace < 0 ? OptionalInt.empty() : computeInstance;
    }

    /** The labels up to those of the pod; of a compute instance with its number behind that of its GPU instance, as dcgm-exporter does it. */
    String labelsOf(OptionalInt computeInstance) {
        if (shown(computeInstance).isEmpty()) {
            return deviceLabels;
        }
        String instance = "GPU_I_ID=\"" + gpuInstanceId + "\"";
        int behind = deviceLabels.indexOf(instance) + instance.length();
        return deviceLabels.substring(0, behind) + ",GPU_CI_ID=\"" + computeInstance.getAsInt() + "\""
                + deviceLabels.substring(behind);
    }

    /** A label's name and its value before escaping. */
    record PodLabel(String name, String value) {}
}
