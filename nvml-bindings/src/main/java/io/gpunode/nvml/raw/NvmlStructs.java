package io.gpunode.nvml.raw;

/**
 * Sizes and offsets of NVML's structures in bytes, on 64-bit Linux, as of header release 13. Each nested class carries C's name of the
 * structure, each constant C's name of the member; {@code sizeof} is the whole, {@code version} word constants end in {@code VERSION}.
 *
 * <p>A test compiles a C program that prints the same numbers and compares every constant.
 */
public final class NvmlStructs {
    /** {@code NVML_VALUE_NOT_AVAILABLE} of the integer kind: all bits set. */
    public static final long VALUE_NOT_AVAILABLE = -1L;

    private NvmlStructs() {}

    /** The version word of a structure: its size, and its version in the highest byte. */
    private static int version(int size, int version) {
        return size | version << 24;
    }

    /** {@code nvmlPciInfo_t}, the third version. */
    public static final class nvmlPciInfo_t {
        public static final int sizeof = 68;
        public static final int busIdLegacy = 0;
        public static final int domain = 16;
        public static final int bus = 20;
        public static final int device = 24;
        public static final int pciDeviceId = 28;
        public static final int pciSubSystemId = 32;
        public static final int busId = 36;

        private nvmlPciInfo_t() {}
    }

    /** {@code nvmlMemory_t}. */
    public static final class nvmlMemory_t {
        public static final int sizeof = 24;
        public static final int total = 0;
        public static final int free = 8;
        public static final int used = 16;

        private nvmlMemory_t() {}
    }

    /** {@code nvmlMemory_v2_t}. */
    public static final class nvmlMemory_v2_t {
        public static final int sizeof = 40;
        public static final int version = 0;
        public static final int total = 8;
        public static final int reserved = 16;
        public static final int free = 24;
        public static final int used = 32;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 2);

        private nvmlMemory_v2_t() {}
    }

    /** {@code nvmlBAR1Memory_t}. */
    public static final class nvmlBAR1Memory_t {
        public static final int sizeof = 24;
        public static final int bar1Total = 0;
        public static final int bar1Free = 8;
        public static final int bar1Used = 16;

        private nvmlBAR1Memory_t() {}
    }

    /** {@code nvmlUtilization_t}. */
    public static final class nvmlUtilization_t {
        public static final int sizeof = 8;
        public static final int gpu = 0;
        public static final int memory = 4;

        private nvmlUtilization_t() {}
    }

    /** {@code nvmlFieldValue_t}. */
    public static final class nvmlFieldValue_t {
        public static final int sizeof = 40;
        public static final int fieldId = 0;
        public static final int scopeId = 4;
        public static final int timestamp = 8;
        public static final int latencyUsec = 16;
        public static final int valueType = 24;
        public static final int nvmlReturn = 28;
        public static final int value = 32;

        private nvmlFieldValue_t() {}
    }

    /** {@code nvmlEventData_t}. */
    public static final class nvmlEventData_t {
        public static final int sizeof = 32;
        public static final int device = 0;
        public static final int eventType = 8;
        public static final int eventData = 16;
        public static final int gpuInstanceId = 24;
        public static final int computeInstanceId = 28;

        private nvmlEventData_t() {}
    }

    /** {@code nvmlProcessInfo_v1_t}, of the first version of the process lists. */
    public static final class nvmlProcessInfo_v1_t {
        public static final int sizeof = 16;
        public static final int pid = 0;
        public static final int usedGpuMemory = 8;

        private nvmlProcessInfo_v1_t() {}
    }

    /** {@code nvmlProcessInfo_t}, of the second and third version of the process lists. */
    public static final class nvmlProcessInfo_t {
        public static final int sizeof = 24;
        public static final int pid = 0;
        public static final int usedGpuMemory = 8;
        public static final int gpuInstanceId = 16;
        public static final int computeInstanceId = 20;

        private nvmlProcessInfo_t() {}
    }

    /** {@code nvmlProcessUtilizationSample_t}. */
    public static final class nvmlProcessUtilizationSample_t {
        public static final int sizeof = 32;
        public static final int pid = 0;
        public static final int timeStamp = 8;
        public static final int smUtil = 16;
        public static final int memUtil = 20;
        public static final int encUtil = 24;
        public static final int decUtil = 28;

        private nvmlProcessUtilizationSample_t() {}
    }

    /** {@code nvmlGridLicensableFeature_t}. */
    public static final class nvmlGridLicensableFeature_t {
        public static final int sizeof = 284;
        public static final int featureCode = 0;
        public static final int featureState = 4;
        public static final int featureEnabled = 264;

        private nvmlGridLicensableFeature_t() {}
    }

    /** {@code nvmlGridLicensableFeatures_t}, of the fourth version of the call. */
    public static final class nvmlGridLicensableFeatures_t {
        public static final int sizeof = 860;
        public static final int isGridLicenseSupported = 0;
        public static final int licensableFeaturesCount = 4;
        public static final int gridLicensableFeatures = 8;

        private nvmlGridLicensableFeatures_t() {}
    }

    /** {@code nvmlDeviceAttributes_t}. */
    public static final class nvmlDeviceAttributes_t {
        public static final int sizeof = 40;
        public static final int multiprocessorCount = 0;
        public static final int sharedCopyEngineCount = 4;
        public static final int sharedDecoderCount = 8;
        public static final int sharedEncoderCount = 12;
        public static final int sharedJpegCount = 16;
        public static final int sharedOfaCount = 20;
        public static final int gpuInstanceSliceCount = 24;
        public static final int computeInstanceSliceCount = 28;
        public static final int memorySizeMB = 32;

        private nvmlDeviceAttributes_t() {}
    }

    /** {@code nvmlGpuInstanceInfo_t}. */
    public static final class nvmlGpuInstanceInfo_t {
        public static final int sizeof = 24;
        public static final int device = 0;
        public static final int id = 8;
        public static final int profileId = 12;
        public static final int placement = 16;

        private nvmlGpuInstanceInfo_t() {}
    }

    /** {@code nvmlGpuInstancePlacement_t}, in memory slices of the GPU. */
    public static final class nvmlGpuInstancePlacement_t {
        public static final int sizeof = 8;
        public static final int start = 0;
        public static final int size = 4;

        private nvmlGpuInstancePlacement_t() {}
    }

    /** {@code nvmlComputeInstancePlacement_t}, in compute slices of the GPU instance. */
    public static final class nvmlComputeInstancePlacement_t {
        public static final int sizeof = 8;
        public static final int start = 0;
        public static final int size = 4;

        private nvmlComputeInstancePlacement_t() {}
    }

    /** {@code nvmlGpuInstanceProfileInfo_t}. */
    public static final class nvmlGpuInstanceProfileInfo_t {
        public static final int sizeof = 48;
        public static final int id = 0;
        public static final int isP2pSupported = 4;
        public static final int sliceCount = 8;
        public static final int instanceCount = 12;
        public static final int multiprocessorCount = 16;
        public static final int copyEngineCount = 20;
        public static final int decoderCount = 24;
        public static final int encoderCount = 28;
        public static final int jpegCount = 32;
        public static final int ofaCount = 36;
        public static final int memorySizeMB = 40;

        private nvmlGpuInstanceProfileInfo_t() {}
    }

    /** {@code nvmlGpuInstanceProfileInfo_v2_t}. */
    public static final class nvmlGpuInstanceProfileInfo_v2_t {
        public static final int sizeof = 152;
        public static final int version = 0;
        public static final int id = 4;
        public static final int memorySizeMB = 48;
        public static final int name = 56;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 2);

        private nvmlGpuInstanceProfileInfo_v2_t() {}
    }

    /** {@code nvmlComputeInstanceProfileInfo_t}. */
    public static final class nvmlComputeInstanceProfileInfo_t {
        public static final int sizeof = 36;
        public static final int id = 0;
        public static final int sliceCount = 4;
        public static final int instanceCount = 8;
        public static final int multiprocessorCount = 12;
        public static final int sharedCopyEngineCount = 16;
        public static final int sharedDecoderCount = 20;
        public static final int sharedEncoderCount = 24;
        public static final int sharedJpegCount = 28;
        public static final int sharedOfaCount = 32;

        private nvmlComputeInstanceProfileInfo_t() {}
    }

    /** {@code nvmlComputeInstanceProfileInfo_v2_t}. */
    public static final class nvmlComputeInstanceProfileInfo_v2_t {
        public static final int sizeof = 136;
        public static final int version = 0;
        public static final int id = 4;
        public static final int name = 40;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 2);

        private nvmlComputeInstanceProfileInfo_v2_t() {}
    }

    /** {@code nvmlComputeInstanceInfo_t}, of the second version of the call. */
    public static final class nvmlComputeInstanceInfo_t {
        public static final int sizeof = 32;
        public static final int device = 0;
        public static final int gpuInstance = 8;
        public static final int id = 16;
        public static final int profileId = 20;
        public static final int placement = 24;

        private nvmlComputeInstanceInfo_t() {}
    }

    /** {@code nvmlGpuFabricInfo_t}, which has no version word. */
    public static final class nvmlGpuFabricInfo_t {
        public static final int sizeof = 28;
        public static final int clusterUuid = 0;
        public static final int status = 16;
        public static final int cliqueId = 20;
        public static final int state = 24;

        private nvmlGpuFabricInfo_t() {}
    }

    /** {@code nvmlGpuFabricInfo_v2_t}. */
    public static final class nvmlGpuFabricInfo_v2_t {
        public static final int sizeof = 36;
        public static final int version = 0;
        public static final int clusterUuid = 4;
        public static final int status = 20;
        public static final int cliqueId = 24;
        public static final int state = 28;
        public static final int healthMask = 32;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 2);

        private nvmlGpuFabricInfo_v2_t() {}
    }

    /** {@code nvmlGpuFabricInfo_v3_t}. */
    public static final class nvmlGpuFabricInfo_v3_t {
        public static final int sizeof = 40;
        public static final int version = 0;
        public static final int clusterUuid = 4;
        public static final int status = 20;
        public static final int cliqueId = 24;
        public static final int state = 28;
        public static final int healthMask = 32;
        public static final int healthSummary = 36;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 3);

        private nvmlGpuFabricInfo_v3_t() {}
    }

    /** {@code nvmlTemperature_v1_t}. */
    public static final class nvmlTemperature_v1_t {
        public static final int sizeof = 12;
        public static final int version = 0;
        public static final int sensorType = 4;
        public static final int temperature = 8;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 1);

        private nvmlTemperature_v1_t() {}
    }

    /** {@code nvmlMarginTemperature_v1_t}. */
    public static final class nvmlMarginTemperature_v1_t {
        public static final int sizeof = 8;
        public static final int version = 0;
        public static final int marginTemperature = 4;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 1);

        private nvmlMarginTemperature_v1_t() {}
    }

    /** {@code nvmlEccSramErrorStatus_v1_t}; the members that the binding reads. */
    public static final class nvmlEccSramErrorStatus_v1_t {
        public static final int sizeof = 104;
        public static final int version = 0;
        public static final int bThresholdExceeded = 96;
        /** The value of {@link #version}. */
        public static final int VERSION = version(sizeof, 1);

        private nvmlEccSramErrorStatus_v1_t() {}
    }

    /** {@code nvmlRowRemapperHistogramValues_t}. */
    public static final class nvmlRowRemapperHistogramValues_t {
        public static final int sizeof = 20;
        public static final int max = 0;
        public static final int high = 4;
        public static final int partial = 8;
        public static final int low = 12;
        public static final int none = 16;

        private nvmlRowRemapperHistogramValues_t() {}
    }

    /** {@code nvmlConfComputeSystemState_t}. */
    public static final class nvmlConfComputeSystemState_t {
        public static final int sizeof = 12;
        public static final int environment = 0;
        public static final int ccFeature = 4;
        public static final int devToolsMode = 8;

        private nvmlConfComputeSystemState_t() {}
    }

    /** {@code nvmlGpmSupport_t}; its version is a plain 1. */
    public static final class nvmlGpmSupport_t {
        public static final int sizeof = 8;
        public static final int version = 0;
        public static final int isSupportedDevice = 4;

        private nvmlGpmSupport_t() {}
    }

    /** {@code nvmlGpmMetric_t}. */
    public static final class nvmlGpmMetric_t {
        public static final int sizeof = 40;
        public static final int metricId = 0;
        public static final int nvmlReturn = 4;
        public static final int value = 8;
        public static final int metricInfo = 16;

        private nvmlGpmMetric_t() {}
    }

    /** {@code nvmlGpmMetricsGet_t}; its version is a plain 1. The array has 333 places in release 13 and had fewer before. */
    public static final class nvmlGpmMetricsGet_t {
        public static final int sizeof = 13344;
        public static final int version = 0;
        public static final int numMetrics = 4;
        public static final int sample1 = 8;
        public static final int sample2 = 16;
        public static final int metrics = 24;

        private nvmlGpmMetricsGet_t() {}
    }
}
