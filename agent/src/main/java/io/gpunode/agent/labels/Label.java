package io.gpunode.agent.labels;

/**
 * The catalogue: every label that the agent writes, one row each. Keys and value rules are those of GPU feature discovery 0.20; what is otherwise
 * is in {@code docs/compatibility.md}. {@code docs/labels.md} is made from it.
 */
enum Label {
    TIMESTAMP(
            Scope.NODE,
            "gfd.timestamp",
            "unless `flags.gfd.noTimestamp`",
            "Unix seconds at which the agent started or its labels were last configured",
            "1755600000"),
    MACHINE(
            Scope.NODE,
            "gpu.machine",
            When.GPU,
            "what `flags.gfd.machineTypeFile` says; `unknown` when it cannot be read or none is named",
            "NVIDIA-DGX-H100"),
    DRIVER_MAJOR(
            Scope.NODE, "cuda.driver-version.major", When.DRIVER_PARTS, "first part of the driver's version", "580"),
    DRIVER_MINOR(Scope.NODE, "cuda.driver-version.minor", When.DRIVER_PARTS, "second part", "65"),
    DRIVER_REVISION(
            Scope.NODE,
            "cuda.driver-version.revision",
            When.DRIVER_PARTS,
            "third part; empty when there is none",
            "06"),
    DRIVER_FULL(Scope.NODE, "cuda.driver-version.full", When.GPU, "the driver's version", "580.65.06"),
    RUNTIME_MAJOR(
            Scope.NODE,
            "cuda.runtime-version.major",
            When.CUDA,
            "newest CUDA version that the driver serves, major",
            "13"),
    RUNTIME_MINOR(Scope.NODE, "cuda.runtime-version.minor", When.CUDA, "the same, minor", "0"),
    RUNTIME_FULL(Scope.NODE, "cuda.runtime-version.full", When.CUDA, "the same, `major.minor`", "13.0"),
    DEPRECATED_DRIVER_MAJOR("cuda.driver.major", DRIVER_MAJOR),
    DEPRECATED_DRIVER_MINOR("cuda.driver.minor", DRIVER_MINOR),
    DEPRECATED_DRIVER_REVISION("cuda.driver.rev", DRIVER_REVISION),
    DEPRECATED_RUNTIME_MAJOR("cuda.runtime.major", RUNTIME_MAJOR),
    DEPRECATED_RUNTIME_MINOR("cuda.runtime.minor", RUNTIME_MINOR),
    MIG_CAPABLE(
            Scope.NODE,
            "mig.capable",
            "a GPU is found, and one has MIG or all have answered that they have none",
            "`true` when a GPU has MIG, on or off; else `false`",
            "true"),
    MIG_STRATEGY(
            Scope.NODE,
            "mig.strategy",
            "a GPU is found and `flags.migStrategy` is not `none`",
            "`single` or `mixed`, also while no GPU is in MIG mode",
            "mixed"),
    MPS_CAPABLE(Scope.NODE, "mps.capable", When.GPU, "`false`: the agent does not serve MPS", "false"),
    MODE(
            Scope.NODE,
            "gpu.mode",
            When.GPU,
            "by the PCI class of all GPUs: `compute` (0x030200), `graphics` (0x030000); `unknown` when they differ, are of"
                    + " another class or one cannot be read",
            "compute"),
    CLIQUE(
            Scope.NODE,
            "gpu.clique",
            "a GPU is registered with an NVSwitch fabric, and all that are have one cluster and one clique",
            "`<cluster UUID>.<clique id>`",
            "7b968a6d-c8aa-45e1-9e07-e1e51be99c31.32766"),
    VGPU_PRESENT(
            Scope.NODE,
            "vgpu.present",
            "the PCI bus can be scanned, also without a driver; needs root",
            "whether a PCI device is a virtual GPU",
            "false"),
    VGPU_HOST_DRIVER_VERSION(
            Scope.NODE,
            "vgpu.host-driver-version",
            When.VGPU_DRIVER,
            "version of the hypervisor's driver",
            "550.90.05"),
    VGPU_HOST_DRIVER_BRANCH(
            Scope.NODE, "vgpu.host-driver-branch", When.VGPU_DRIVER, "branch of the hypervisor's driver", "r550_00"),

    PRODUCT(
            Scope.RESOURCE,
            "product",
            When.GPU,
            "NVML's name of the GPU; `-SHARED` at its end when its shares have the name of the whole device. Of MIG devices"
                    + " `<model>-MIG-<profile>`; `<model>-MIG-INVALID` when the strategy `single` cannot be followed",
            "NVIDIA-H100-80GB-HBM3"),
    COUNT(
            Scope.RESOURCE,
            "count",
            When.GPU,
            "GPUs of that model, in MIG mode or not, healthy or not; for MIG devices, those of the profile",
            "8"),
    REPLICAS(
            Scope.RESOURCE,
            "replicas",
            When.GPU,
            "1, or how many containers may share one; 0 when all GPUs of the model are in MIG mode",
            "4"),
    SHARING_STRATEGY(Scope.RESOURCE, "sharing-strategy", When.GPU, "`none` or `time-slicing`", "time-slicing"),
    MEMORY(
            Scope.RESOURCE,
            "memory",
            "NVML tells it",
            "MiB, rounded down; 0 when the strategy `single` cannot be followed",
            "81559"),
    FAMILY(
            Scope.RESOURCE,
            "family",
            When.CAPABILITY,
            "`tesla`, `fermi`, `kepler`, `maxwell`, `pascal`, `volta`, `turing`, `ampere`, `ada-lovelace`, `hopper`,"
                    + " `blackwell`, `rubin` or `undefined`",
            "hopper"),
    COMPUTE_MAJOR(Scope.RESOURCE, "compute.major", When.CAPABILITY, "CUDA compute capability, major", "9"),
    COMPUTE_MINOR(Scope.RESOURCE, "compute.minor", When.CAPABILITY, "the same, minor", "0"),

    MULTIPROCESSORS(Scope.MIG, "multiprocessors", When.MIG, "multiprocessors of the device", "14"),
    SLICES_GI(Scope.MIG, "slices.gi", When.MIG, "slices of its GPU instance", "1"),
    SLICES_CI(Scope.MIG, "slices.ci", When.MIG, "slices of its compute instance", "1"),
    ENGINES_COPY(Scope.MIG, "engines.copy", When.MIG, "copy engines of its GPU instance", "1"),
    ENGINES_DECODER(Scope.MIG, "engines.decoder", When.MIG, "video decoders", "0"),
    ENGINES_ENCODER(Scope.MIG, "engines.encoder", When.MIG, "video encoders", "0"),
    ENGINES_JPEG(Scope.MIG, "engines.jpeg", When.MIG, "JPEG decoders", "0"),
    ENGINES_OFA(Scope.MIG, "engines.ofa", When.MIG, "optical flow accelerators", "0"),

    PRESENT(Scope.OPERATOR, "gpu.present", "an NVIDIA GPU is on the PCI bus, also without a driver", "`true`", "true"),
    DEPLOY_DRIVER(
            Scope.DEPLOY,
            "gpu.deploy.driver",
            "a driver is loaded",
            "`pre-installed`: the node's driver is not a container's",
            "pre-installed"),
    DEPLOY_CONTAINER_TOOLKIT("gpu.deploy.container-toolkit"),
    DEPLOY_DEVICE_PLUGIN("gpu.deploy.device-plugin"),
    DEPLOY_FEATURE_DISCOVERY("gpu.deploy.gpu-feature-discovery"),
    DEPLOY_DCGM("gpu.deploy.dcgm"),
    DEPLOY_DCGM_EXPORTER("gpu.deploy.dcgm-exporter"),
    DEPLOY_STATUS_EXPORTER("gpu.deploy.node-status-exporter"),
    DEPLOY_VALIDATOR("gpu.deploy.operator-validator"),
    DEPLOY_CLIENT("gpu.deploy.client"),
    DEPLOY_MIG_MANAGER(
            Scope.DEPLOY, "gpu.deploy.mig-manager", "`mig.capable` is `true`, and this is no vGPU", "`true`", "true");

    /** Where a label stands. */
    enum Scope {
        /** About the node: {@code nvidia.com/<name>}. */
        NODE,
        /** An older key of another label. */
        DEPRECATED,
        /** About a resource: {@code nvidia.com/<resource>.<name>}, the resource being {@code gpu} or made of a profile or a model. */
        RESOURCE,
        /** About a resource of MIG devices. */
        MIG,
        /** What NVIDIA's operator sets. */
        OPERATOR,
        /** What NVIDIA's operator sets for those of its parts that may run on the node, unless somebody else has. */
        DEPLOY
    }

    /** Conditions that several labels have. */
    private static final class When {
        static final String GPU = "a GPU is found";
        static final String DRIVER_PARTS = "a GPU is found and the driver's version has two or three parts";
        static final String CUDA = "a GPU is found and NVML tells it";
        static final String CAPABILITY = "NVML tells the compute capability";
        static final String VGPU_DRIVER = "there is a virtual GPU and its hypervisor tells it";
        static final String MIG = "MIG devices only";
        static final String ON_THE_BUS = "an NVIDIA GPU is on the PCI bus";
    }

    /** Of all labels. */
    static final String PREFIX = "nvidia.com/";

    private final Scope scope;
    private final String labelName;
    private final String when;
    private final String value;
    private final String example;
    private final String key;

    Label(Scope scope, String labelName, String when, String value, String example) {
        this.scope = scope;
        this.labelName = labelName;
        this.when = when;
        this.value = value;
        this.example = example;
        this.key = PREFIX + (scope == Scope.RESOURCE || scope == Scope.MIG ? "gpu." : "") + labelName;
    }

    /** An older key. */
    Label(String labelName, Label replacement) {
        this(
                Scope.DEPRECATED,
                labelName,
                replacement.when,
                "deprecated: the same as `" + replacement.key + "`",
                replacement.example);
    }

    /** One of the operator's parts. */
    Label(String labelName) {
        this(Scope.DEPLOY, labelName, When.ON_THE_BUS, "`true`", "true");
    }

    Scope scope() {
        return scope;
    }

    /** When the node has it, in words. */
    String when() {
        return when;
    }

    /** How its value is made, in words. */
    String value() {
        return value;
    }

    String example() {
        return example;
    }

    /** The whole key; of a label about a resource, the one of whole GPUs. */
    String key() {
        return key;
    }

    /** The key of a label about a resource. */
    String key(String resource) {
        return PREFIX + resource + "." + labelName;
    }
}
