package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.DeviceReference;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.AgentConfig.TimeSlicing;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Which extended resources a node offers and which device has which name: a pure function of GPUs and settings. What cannot be offered is left
 * out and said; the rest of the node goes on.
 *
 * <p>Each whole GPU and, unless the MIG strategy is {@code none}, each MIG device is named by the first pattern that fits, or by default:
 * {@code nvidia.com/gpu}, and under the strategy {@code mixed} {@code nvidia.com/mig-<profile>} for a device that has its GPU instance for
 * itself. Then those that are to be shared become {@code <uuid>::0} to {@code <uuid>::<n-1>}, under another name if so configured.
 *
 * @param resources by name; one at least, so that a node without devices still says that it has none
 * @param problems what is left out, and what of the configuration cannot be followed
 */
record ResourcePlan(List<Resource> resources, List<Problem> problems) {
    /** A name and the devices that have it, in PCI order, MIG devices in their GPU's order, shares by number. */
    record Resource(String name, List<Device> devices) {
        Resource {
            devices = List.copyOf(devices);
        }
    }

    /**
     * One device for the kubelet.
     *
     * @param id its UUID, of a share {@code <uuid>::<n>}
     * @param place of its GPU in the picture
     * @param mig null for a whole GPU
     */
    record Device(String id, int place, Gpu gpu, @Nullable MigDevice mig) {}

    /**
     * Something that is not as configured.
     *
     * @param devices that are not offered because of it; empty when none is
     * @param reason one sentence with the next step
     */
    record Problem(List<String> devices, String reason) {
        Problem {
            devices = List.copyOf(devices);
        }

        /** For people. */
        String text() {
            return devices.isEmpty() ? reason : String.join(", ", devices) + ": " + reason;
        }
    }

    /** Separates a device's UUID from the number of its share; the kubelet replays such ids, so it never changes. */
    static final String SHARE_MARK = "::";

    /** The kubelet takes lists of 4 MiB, some 60 000 devices; each costs this process some 300 bytes. */
    static final int MOST_DEVICES_OF_A_RESOURCE = 8_192;

    /** Every MIG profile of every product beside whole GPUs, and their shares; more is a mistake in the naming of resources. */
    static final int MOST_RESOURCES = 64;

    private static final String PREFIX = "nvidia.com/";
    private static final String SHARED_SUFFIX = ".shared";

    ResourcePlan {
        resources = List.copyOf(resources);
        problems = List.copyOf(problems);
    }

    /** @param gpus in PCI order */
    static ResourcePlan of(List<Gpu> gpus, PluginSettings settings) {
        return new Maker(gpus, settings).make();
    }

    /** One plan on its way. */
    private static final class Maker {
        private final List<Gpu> gpus;
        private final String wholeGpus;
        private final MigStrategy strategy;
        private final AgentConfig.Resources patterns;
        private final TimeSlicing sharing;
        /** Reason → devices, so that many devices with one trouble are one problem. */
        private final Map<String, List<String>> problems = new LinkedHashMap<>();

        private final List<Unit> units = new ArrayList<>();

        Maker(List<Gpu> gpus, PluginSettings settings) {
            this.gpus = gpus;
            this.wholeGpus = settings.plugin().resourceName();
            this.strategy = settings.plugin().migStrategy();
            this.patterns = settings.resources();
            this.sharing = settings.sharing().timeSlicing();
        }

        /** A device before it is shared. */
        private static final class Unit {
            private final int place;
            private final Gpu gpu;
            private final @Nullable MigDevice mig;
            private final String resource;
            private @Nullable SharedResource shared;
            private String sharesName = "";
            private int shares;

            Unit(int place, Gpu gpu, @Nullable MigDevice mig, String resource) {
                this.place = place;
                this.gpu = gpu;
                this.mig = mig;
                this.resource = resource;
            }

            String uuid() {
                return (mig == null ? gpu.id() : mig.id()).uuid();
            }

            /** The resource that the kubelet is told of. */
            String offeredAs() {
                return shared == null ? resource : sharesName;
            }

            String kind() {
                return mig == null ? "whole GPUs" : mig.profile();
            }
        }

        ResourcePlan make() {
            for (int place = 0; place < gpus.size(); place++) {
                name(place, gpus.get(place));
            }
            if (strategy == MigStrategy.SINGLE) {
                dropMixtures();
            }
            sharing.resources().forEach(this::share);
            return new ResourcePlan(resources(), told());
        }

        private void name(int place, Gpu gpu) {
            if (gpu.displayOnly()) {
                return;
            }
            if (!gpu.migEnabled() || strategy == MigStrategy.NONE) {
                units.add(new Unit(place, gpu, null, first(patterns.gpus(), gpu.name(), wholeGpus)));
                return;
            }
            if (gpu.migDevices().isEmpty()) {
                leaveOut(
                        gpu.id().uuid(),
                        "MIG mode is on and there is no MIG device: make some (nvidia-smi mig -cgi <profile> -C) or turn"
                                + " MIG mode off (nvidia-smi -mig 0)");
            }
            for (MigDevice mig : gpu.migDevices()) {
                String resource = first(patterns.mig(), mig.profile(), defaultName(mig));
                if (resource.isEmpty()) {
                    leaveOut(
                            mig.id().uuid(),
                            "a MIG device " + mig.profile()
                                    + " shares its GPU instance, and the MIG strategy mixed has no name for such: give it one"
                                    + " with a pattern in resources.mig, or make instances with all compute slices");
                } else {
                    units.add(new Unit(place, gpu, mig, resource));
                }
            }
        }

        private String defaultName(MigDevice mig) {
            if (strategy == MigStrategy.SINGLE) {
                return wholeGpus;
            }
            return mig.computeSlices() == mig.gpuSlices()
                    ? PREFIX + "mig-" + mig.profile().replace('+', '.')
                    : "";
        }

        private static String first(List<NamePattern> patterns, String text, String otherwise) {
            for (NamePattern pattern : patterns) {
                if (pattern.fits(text)) {
                    return pattern.name();
                }
            }
            return otherwise;
        }

        /** Under {@code single} a name stands for one kind of device; a pod that got another kind would not know. */
        private void dropMixtures() {
            Map<String, Set<String>> kinds = new HashMap<>();
            for (Unit unit : units) {
                kinds.computeIfAbsent(unit.resource, _ -> new TreeSet<>()).add(unit.kind());
            }
            units.removeIf(unit -> {
                Set<String> mixture = kinds.getOrDefault(unit.resource, Set.of());
                if (mixture.size() > 1) {
                    leaveOut(
                            unit.uuid(),
                            unit.resource + " would have devices of several kinds (" + String.join(", ", mixture)
                                    + "), which the MIG strategy single does not allow: partition all GPUs alike, name the"
                                    + " kinds apart with patterns in resources, or set the MIG strategy mixed");
                    return true;
                }
                return false;
            });
        }

        private void share(SharedResource shared) {
            List<Unit> free = new ArrayList<>();
            boolean known = false;
            for (Unit unit : units) {
                if (unit.resource.equals(shared.name())) {
                    known = true;
                    if (unit.shared == null) {
                        free.add(unit);
                    }
                }
            }
            if (!known) {
                // One configuration serves nodes of many kinds: that this one has no such device is no news.
                return;
            }
            List<Unit> chosen = choose(shared, free);
            int shares = shared.replicas();
            int most = MOST_DEVICES_OF_A_RESOURCE / Math.max(1, chosen.size());
            if (shares > most) {
                problem("sharing of " + shared.name() + ": " + shares + " replicas of " + chosen.size()
                        + " devices are more than the kubelet takes; there are " + most + " of each; lower replicas");
                shares = most;
            }
            for (Unit unit : chosen) {
                unit.shared = shared;
                unit.sharesName = sharedName(shared);
                unit.shares = shares;
            }
        }

        private List<Unit> choose(SharedResource shared, List<Unit> free) {
            return switch (shared.devices()) {
                case DeviceSelection.All _ -> free;
                case DeviceSelection.First(int count) -> {
                    if (count > free.size()) {
                        problem("sharing of " + shared.name() + " is for " + count + " devices and this node has "
                                + free.size() + ": all of them are shared");
                    }
                    yield free.subList(0, Math.min(count, free.size()));
                }
                case DeviceSelection.Named(List<DeviceReference> references) -> {
                    List<Unit> chosen = new ArrayList<>();
                    for (DeviceReference reference : references) {
                        Unit found = find(reference, free);
                        if (found == null) {
                            problem("sharing of " + shared.name() + " names the device " + text(reference)
                                    + ", and none of that name has this resource; the others are shared");
                        } else if (!chosen.contains(found)) {
                            chosen.add(found);
                        }
                    }
                    yield chosen;
                }
            };
        }

        private static @Nullable Unit find(DeviceReference reference, List<Unit> units) {
            for (Unit unit : units) {
                if (reference.names(unit.gpu, unit.mig)) {
                    return unit;
                }
            }
            return null;
        }

        private static String text(DeviceReference reference) {
            return switch (reference) {
                case DeviceReference.Index(int gpu) -> Integer.toString(gpu);
                case DeviceReference.MigIndex(int gpu, int device) -> gpu + ":" + device;
                case DeviceReference.Uuid(String uuid) -> uuid;
                case DeviceReference.Instance(String gpuUuid, int gpuInstance, int computeInstance) ->
                    "MIG-" + gpuUuid + "/" + gpuInstance + "/" + computeInstance;
            };
        }

        /** A resource stands for one kind of device; shares of another must not be among them. */
        private void dropSharesUnderAnothersName() {
            Set<String> unchanged = new HashSet<>();
            for (Unit unit : units) {
                if (unit.offeredAs().equals(unit.resource)) {
                    unchanged.add(unit.resource);
                }
            }
            units.removeIf(unit -> {
                String name = unit.offeredAs();
                if (name.equals(unit.resource) || !unchanged.contains(name)) {
                    return false;
                }
                leaveOut(
                        unit.uuid(),
                        "the shares of " + unit.resource + " are named " + name
                                + ", which other devices of this node are: give them another name with rename in"
                                + " sharing.timeSlicing.resources");
                return true;
            });
        }

        /** The first by name are offered. */
        private void dropResourcesBeyondTheMost() {
            TreeSet<String> names = new TreeSet<>();
            for (Unit unit : units) {
                names.add(unit.offeredAs());
            }
            int wanted = names.size();
            while (names.size() > MOST_RESOURCES) {
                names.removeLast();
            }
            units.removeIf(unit -> {
                if (names.contains(unit.offeredAs())) {
                    return false;
                }
                leaveOut(
                        unit.uuid(),
                        "this node would have " + wanted + " resources, and one node can offer " + MOST_RESOURCES
                                + ", the first ones by name: let patterns of resources give several products one name");
                return true;
            });
        }

        private List<Resource> resources() {
            dropSharesUnderAnothersName();
            dropResourcesBeyondTheMost();
            Map<String, List<Device>> named = new TreeMap<>();
            for (Unit unit : units) {
                List<Device> devices = named.computeIfAbsent(unit.offeredAs(), _ -> new ArrayList<>());
                if (unit.shared == null) {
                    devices.add(new Device(unit.uuid(), unit.place, unit.gpu, unit.mig));
                }
                for (int share = 0; share < unit.shares; share++) {
                    devices.add(new Device(unit.uuid() + SHARE_MARK + share, unit.place, unit.gpu, unit.mig));
                }
            }
            if (named.isEmpty()) {
                named.put(wholeGpus, List.of());
            }
            List<Resource> resources = new ArrayList<>(named.size());
            named.forEach((name, devices) -> resources.add(new Resource(name, devices)));
            return resources;
        }

        private String sharedName(SharedResource shared) {
            if (!shared.rename().isEmpty()) {
                return shared.rename();
            }
            return sharing.renameByDefault() ? shared.name() + SHARED_SUFFIX : shared.name();
        }

        private void leaveOut(String device, String reason) {
            problems.computeIfAbsent(reason, _ -> new ArrayList<>()).add(device);
        }

        private void problem(String reason) {
            problems.computeIfAbsent(reason, _ -> new ArrayList<>());
        }

        private List<Problem> told() {
            List<Problem> told = new ArrayList<>(problems.size());
            problems.forEach((reason, devices) -> told.add(new Problem(devices, reason)));
            return told;
        }
    }
}
