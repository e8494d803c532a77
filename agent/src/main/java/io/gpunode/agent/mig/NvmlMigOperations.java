package io.gpunode.agent.mig;

import io.gpunode.agent.gpu.GpuSession;
import io.gpunode.agent.gpu.MigControl;
import io.gpunode.agent.gpu.MigFault;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.podresources.DeviceNames;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The operations on the real hardware, through the door to NVML. One thread at a time. */
public final class NvmlMigOperations implements MigOperations {
    private final Supplier<@Nullable GpuSession> sessions;
    private final List<GpuId> pciOrder;

    /**
     * @param sessions the open session; null while there is none
     * @param pciOrder the node's GPUs in PCI order, which is what people count them by
     */
    public NvmlMigOperations(Supplier<@Nullable GpuSession> sessions, List<GpuId> pciOrder) {
        this.sessions = sessions;
        this.pciOrder = List.copyOf(pciOrder);
    }

    /** Asks NVML. */
    private interface Question<T> {
        T ask(MigControl control) throws MigFault, InterruptedException;
    }

    @Override
    public MigGpu read(GpuId gpu) throws MigOperationException, InterruptedException {
        return MigReader.gpu(ask(gpu, MigControl::read), pciOrder.indexOf(gpu));
    }

    @Override
    public MigUse use(GpuId gpu) throws MigOperationException, InterruptedException {
        MigControl.Use use = ask(gpu, MigControl::use);
        List<MigUse.Holder> holders = new ArrayList<>();
        for (MigControl.InstanceProcess process : use.processes()) {
            String name = process.name().isEmpty() ? "" : " (" + process.name() + ")";
            holders.add(new MigUse.Holder(
                    "process " + process.pid() + name, process.gpuInstance(), process.computeInstance()));
        }
        Map<String, Integer> names = new HashMap<>();
        DeviceNames.of(gpu, use.index(), use.minor()).forEach(name -> names.put(name, -1));
        for (MigControl.InstanceDevice device : use.devices()) {
            DeviceNames.ofMigDevice(
                            gpu,
                            use.index(),
                            device.id(),
                            device.index(),
                            device.gpuInstance(),
                            device.computeInstance())
                    .forEach(name -> names.put(name, device.gpuInstance()));
        }
        return new MigUse(holders, names);
    }

    @Override
    public void perform(MigGpu gpu, MigStep step) throws MigOperationException, InterruptedException {
        switch (step) {
            case MigStep.SetMode mode -> setMode(gpu, mode);
            case MigStep.DestroyPart part -> {
                GpuInstance there = at(gpu, part.instance());
                require(
                        there.id() == part.instanceId()
                                && there.computeInstances().stream().anyMatch(each -> isThat(each, part)),
                        step);
                tell(gpu, control -> control.destroyComputeInstance(part.instanceId(), part.partId()));
            }
            case MigStep.DestroyInstance instance -> {
                require(at(gpu, instance.instance()).id() == instance.instanceId(), step);
                tell(gpu, control -> control.destroyGpuInstance(instance.instanceId()));
            }
            case MigStep.CreateInstance instance ->
                tell(gpu, control -> control.createGpuInstance(instance.profileId(), instance.instance()));
            case MigStep.CreatePart part -> {
                GpuInstance there = at(gpu, part.instance());
                int profile = computeProfile(gpu, there, part.slices());
                tell(gpu, control -> control.createComputeInstance(there.id(), profile, part.part()));
            }
        }
    }

    private void setMode(MigGpu gpu, MigStep.SetMode mode) throws MigOperationException, InterruptedException {
        try {
            tell(gpu, control -> control.setMode(mode.enabled()));
        } catch (MigOperationException e) {
            // It is pending, as was planned: by one who cannot reset the GPU, or does not want to.
            if (mode.inForce()
                    || (e.kind() != MigOperationException.Kind.RESTART_NEEDED
                            && e.kind() != MigOperationException.Kind.IN_USE)) {
                throw e;
            }
        }
    }

    private static boolean isThat(ComputeInstance part, MigStep.DestroyPart step) {
        return part.id() == step.partId() && part.placement().equals(step.part());
    }

    private static void require(boolean isThat, MigStep step) throws MigOperationException {
        if (!isThat) {
            throw new MigOperationException(
                    MigOperationException.Kind.FAILED, "another instance lies there now: will not " + step.text());
        }
    }

    private static GpuInstance at(MigGpu gpu, MigPlacement place) throws MigOperationException {
        return gpu.geometry().asOptional().stream()
                .flatMap(geometry -> geometry.instances().stream())
                .filter(instance -> instance.placement().equals(place))
                .findFirst()
                .orElseThrow(() -> new MigOperationException(
                        MigOperationException.Kind.FAILED, "no GPU instance lies at " + place));
    }

    /** Only an instance that exists tells its compute profiles; the GPU was read with it. */
    private static int computeProfile(MigGpu gpu, GpuInstance instance, int slices) throws MigOperationException {
        return gpu.profile(instance.profileId()).stream()
                .flatMap(profile -> profile.computeProfiles().stream())
                .filter(compute -> compute.slices() == slices)
                .mapToInt(MigProfile.Compute::id)
                .findFirst()
                .orElseThrow(() -> new MigOperationException(
                        MigOperationException.Kind.FAILED,
                        "GPU instance " + instance.id() + " has no compute instances of " + slices + " slices"));
    }

    /** Tells NVML to change something. */
    private interface Order {
        void give(MigControl control) throws MigFault, InterruptedException;
    }

    private void tell(MigGpu gpu, Order order) throws MigOperationException, InterruptedException {
        ask(gpu.id(), control -> {
            order.give(control);
            return gpu;
        });
    }

    private <T> T ask(GpuId gpu, Question<T> question) throws MigOperationException, InterruptedException {
        GpuSession session = sessions.get();
        if (session == null) {
            throw new MigOperationException(MigOperationException.Kind.LOST, "NVML is not open");
        }
        try {
            return question.ask(session.migControl(gpu));
        } catch (MigFault e) {
            throw new MigOperationException(kind(e), String.valueOf(e.getMessage()), e);
        }
    }

    private static MigOperationException.Kind kind(MigFault fault) {
        return switch (fault.kind()) {
            case IN_USE -> MigOperationException.Kind.IN_USE;
            case RESET_NEEDED -> MigOperationException.Kind.RESTART_NEEDED;
            case NO_PERMISSION -> MigOperationException.Kind.NO_PERMISSION;
            case LOST -> MigOperationException.Kind.LOST;
            case FAILED -> MigOperationException.Kind.FAILED;
        };
    }
}
