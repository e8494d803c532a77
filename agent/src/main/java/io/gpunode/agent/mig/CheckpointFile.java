package io.gpunode.agent.mig;

import io.gpunode.agent.config.RawValue;
import io.gpunode.agent.config.RawValue.Kind;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.YamlFile;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * How GPUs were split, with the place of every instance: mig-parted's checkpoint file, version 1. Profiles are named by NVML's constants, which
 * are the same on all chips. The place of a compute instance is an addition, which mig-parted's reader passes over; it is absent in a file that
 * mig-parted wrote.
 *
 * @param gpus those that have MIG
 */
public record CheckpointFile(List<OfGpu> gpus) {
    private static final String VERSION = "v1";
    private static final String NEXT_STEP = "write it anew with: gpu-node-agent mig checkpoint -f FILE";
    private static final int MOST = 99;

    public CheckpointFile {
        gpus = List.copyOf(gpus);
    }

    /**
     * One GPU.
     *
     * @param instances in the order of their constants, and of their places; empty when MIG was off
     */
    public record OfGpu(GpuId id, boolean enabled, List<Instance> instances) {
        public OfGpu {
            instances = List.copyOf(instances);
        }
    }

    /**
     * A GPU instance.
     *
     * @param constant {@code NVML_GPU_INSTANCE_PROFILE_*}
     * @param placement in memory slices
     * @param parts its compute instances, in the order of their constants, and of their places
     */
    public record Instance(int constant, MigPlacement placement, List<Part> parts) {
        public Instance {
            parts = List.copyOf(parts);
        }
    }

    /**
     * A compute instance, with shared engines.
     *
     * @param constant {@code NVML_COMPUTE_INSTANCE_PROFILE_*}
     * @param placement in compute slices; empty when the file does not say
     */
    public record Part(int constant, Optional<MigPlacement> placement) {}

    /**
     * Writes down how GPUs are split.
     *
     * @throws MigReader.UnreadableException when one of them could not be read
     */
    public static CheckpointFile of(List<MigGpu> gpus) throws MigReader.UnreadableException {
        List<OfGpu> states = new ArrayList<>();
        for (MigGpu gpu : gpus) {
            switch (gpu.geometry()) {
                case Reading.Unsupported<MigGeometry> _ -> {}
                case Reading.Value<MigGeometry>(MigGeometry geometry) -> states.add(state(gpu, geometry));
                case Reading.Failed<MigGeometry> _, Reading.NotRead<MigGeometry> _ ->
                    throw new MigReader.UnreadableException(gpu.label() + ": how it is split is not known: "
                            + gpu.geometry().describe());
            }
        }
        return new CheckpointFile(states);
    }

    private static OfGpu state(MigGpu gpu, MigGeometry geometry) throws MigReader.UnreadableException {
        List<Instance> instances = new ArrayList<>();
        for (MigGeometry.GpuInstance instance : geometry.instances()) {
            MigProfile profile = gpu.profile(instance.profileId())
                    .orElseThrow(() -> new MigReader.UnreadableException(gpu.label() + " has GPU instance "
                            + instance.id() + " of profile " + instance.profileId()
                            + ", which its driver does not list"));
            List<Part> parts = new ArrayList<>();
            for (MigGeometry.ComputeInstance compute : instance.computeInstances()) {
                // A driver's id of a compute instance's profile has been its constant on all chips.
                parts.add(new Part(compute.profileId(), Optional.of(compute.placement())));
            }
            parts.sort(Comparator.comparingInt(Part::constant));
            instances.add(new Instance(profile.constant(), instance.placement(), parts));
        }
        instances.sort(Comparator.comparingInt(Instance::constant).thenComparing(Instance::placement));
        return new OfGpu(gpu.id(), geometry.enabled(), instances);
    }

    /**
     * As JSON, ending with a line break. An empty list is null, as mig-parted writes it: it compares what it reads with what it finds, and an empty
     * list would be something else.
     */
    public String json() {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("Version", VERSION).name("MigState").beginObject().name("Devices");
        if (gpus.isEmpty()) {
            out.nullValue();
        } else {
            out.beginArray();
            for (OfGpu gpu : gpus) {
                out.beginObject().member("UUID", gpu.id().uuid()).member("MigMode", gpu.enabled() ? 1 : 0);
                instances(gpu.instances(), out.name("GpuInstances"));
                out.endObject();
            }
            out.endArray();
        }
        return out.endObject().endObject() + "\n";
    }

    private static void instances(List<Instance> instances, JsonWriter out) {
        if (instances.isEmpty()) {
            out.nullValue();
            return;
        }
        out.beginArray();
        for (Instance instance : instances) {
            out.beginObject().member("ProfileID", instance.constant());
            placement(instance.placement(), out);
            parts(instance.parts(), out.name("ComputeInstances"));
            out.endObject();
        }
        out.endArray();
    }

    private static void parts(List<Part> parts, JsonWriter out) {
        if (parts.isEmpty()) {
            out.nullValue();
            return;
        }
        out.beginArray();
        for (Part part : parts) {
            out.beginObject().member("ProfileID", part.constant()).member("EngProfileID", 0);
            part.placement().ifPresent(placement -> placement(placement, out));
            out.endObject();
        }
        out.endArray();
    }

    private static void placement(MigPlacement placement, JsonWriter out) {
        out.name("Placement")
                .beginObject()
                .member("Start", placement.start())
                .member("Size", placement.size())
                .endObject();
    }

    /**
     * Reads a file's text; empty when anything is wrong with it, which is then reported.
     *
     * @param name of the file, for places
     */
    public static Optional<CheckpointFile> read(String name, String text, Report report) {
        int before = report.problems().size();
        Optional<RawValue> root = YamlFile.read(name, text, NEXT_STEP, report);
        if (root.isEmpty()) {
            if (report.problems().size() == before) {
                report.problem(YamlFile.start(name), "", "the file is empty", NEXT_STEP);
            }
            return Optional.empty();
        }
        CheckpointFile read = new Reader(new FileBlocks(report)).file(root.get());
        return report.problems().size() == before ? Optional.of(read) : Optional.empty();
    }

    /** Makes records of values. */
    private record Reader(FileBlocks blocks) {
        CheckpointFile file(RawValue root) {
            Optional<Map<String, RawValue>> found = blocks.keys(root, "", List.of("Version", "MigState"));
            if (found.isEmpty()) {
                return new CheckpointFile(List.of());
            }
            Map<String, RawValue> keys = found.get();
            blocks.version(keys.get("Version"), root.place(), "Version", VERSION);
            Optional<RawValue> state = required(keys, root, "", "MigState");
            Map<String, RawValue> inside = state.flatMap(value -> blocks.keys(value, "MigState", List.of("Devices")))
                    .orElse(Map.of());
            List<OfGpu> gpus = new ArrayList<>();
            for (RawValue item : list(inside.get("Devices"), "MigState.Devices")) {
                gpu(item).ifPresent(gpus::add);
            }
            return new CheckpointFile(gpus);
        }

        private Optional<OfGpu> gpu(RawValue value) {
            String path = "MigState.Devices";
            Optional<Map<String, RawValue>> keys = blocks.keys(value, path, List.of("UUID", "MigMode", "GpuInstances"));
            if (keys.isEmpty()) {
                return Optional.empty();
            }
            Optional<RawValue> uuid = required(keys.get(), value, path, "UUID");
            OptionalInt mode = number(keys.get(), value, path, "MigMode", 1);
            List<Instance> instances = new ArrayList<>();
            for (RawValue item : list(keys.get().get("GpuInstances"), path + ".GpuInstances")) {
                instance(item, path + ".GpuInstances").ifPresent(instances::add);
            }
            if (uuid.isPresent() && (!uuid.get().isText() || !uuid.get().text().matches("GPU-[0-9A-Za-z-]{1,90}"))) {
                blocks.report()
                        .problem(
                                uuid.get().place(),
                                path + ".UUID",
                                FileBlocks.shown(uuid.get()) + " is not the UUID of a GPU",
                                NEXT_STEP);
                return Optional.empty();
            }
            if (mode.orElse(1) == 0 && !instances.isEmpty()) {
                blocks.report()
                        .problem(
                                value.place(),
                                path + ".GpuInstances",
                                "there can be none while MigMode is 0",
                                NEXT_STEP);
            }
            return uuid.map(found -> new OfGpu(new GpuId(found.text()), mode.orElse(0) == 1, instances));
        }

        private Optional<Instance> instance(RawValue value, String path) {
            Optional<Map<String, RawValue>> keys =
                    blocks.keys(value, path, List.of("ProfileID", "Placement", "ComputeInstances"));
            if (keys.isEmpty()) {
                return Optional.empty();
            }
            OptionalInt constant = number(keys.get(), value, path, "ProfileID", MOST);
            Optional<MigPlacement> placement = required(keys.get(), value, path, "Placement")
                    .flatMap(found -> placement(found, path + ".Placement"));
            List<Part> parts = new ArrayList<>();
            for (RawValue item : list(keys.get().get("ComputeInstances"), path + ".ComputeInstances")) {
                part(item, path + ".ComputeInstances").ifPresent(parts::add);
            }
            return placement.map(found -> new Instance(constant.orElse(0), found, parts));
        }

        private Optional<Part> part(RawValue value, String path) {
            Optional<Map<String, RawValue>> keys =
                    blocks.keys(value, path, List.of("ProfileID", "EngProfileID", "Placement"));
            if (keys.isEmpty()) {
                return Optional.empty();
            }
            OptionalInt constant = number(keys.get(), value, path, "ProfileID", MOST);
            // Shared engines: there has never been another profile.
            number(keys.get(), value, path, "EngProfileID", 0);
            RawValue placement = keys.get().get("Placement");
            return Optional.of(new Part(
                    constant.orElse(0),
                    placement == null ? Optional.empty() : placement(placement, path + ".Placement")));
        }

        private Optional<MigPlacement> placement(RawValue value, String path) {
            Optional<Map<String, RawValue>> keys = blocks.keys(value, path, List.of("Start", "Size"));
            if (keys.isEmpty()) {
                return Optional.empty();
            }
            OptionalInt start = number(keys.get(), value, path, "Start", MOST);
            OptionalInt size = number(keys.get(), value, path, "Size", MOST);
            if (start.isEmpty() || size.isEmpty()) {
                return Optional.empty();
            }
            try {
                return Optional.of(new MigPlacement(start.getAsInt(), size.getAsInt()));
            } catch (IllegalArgumentException e) {
                blocks.report().problem(value.place(), path, String.valueOf(e.getMessage()), NEXT_STEP);
                return Optional.empty();
            }
        }

        private Optional<RawValue> required(Map<String, RawValue> keys, RawValue block, String path, String key) {
            RawValue value = keys.get(key);
            if (value == null) {
                blocks.report()
                        .problem(block.place(), path.isEmpty() ? key : path + "." + key, "is missing", NEXT_STEP);
            }
            return Optional.ofNullable(value);
        }

        private OptionalInt number(Map<String, RawValue> keys, RawValue block, String path, String key, int most) {
            Optional<RawValue> value = required(keys, block, path, key);
            if (value.isEmpty()) {
                return OptionalInt.empty();
            }
            OptionalInt number = FileBlocks.number(value.get(), most);
            if (number.isEmpty()) {
                blocks.report()
                        .problem(
                                value.get().place(),
                                path + "." + key,
                                FileBlocks.shown(value.get()) + " is not a whole number from 0 to " + most,
                                NEXT_STEP);
            }
            return number;
        }

        private List<RawValue> list(@Nullable RawValue value, String path) {
            if (value == null || value.is(Kind.NULL)) {
                return List.of();
            }
            if (!value.is(Kind.LIST)) {
                blocks.report().problem(value.place(), path, FileBlocks.shown(value) + " is not a list", NEXT_STEP);
                return List.of();
            }
            return value.items();
        }
    }
}
