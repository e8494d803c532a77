package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** The operations on boards of the model; a step that no board would take fails as a driver would. */
final class ModelOperations implements MigOperations {
    private final Map<GpuId, ModelGpu> boards = new LinkedHashMap<>();
    private final Map<GpuId, MigGpu> identities = new LinkedHashMap<>();
    private boolean silent;
    private final Map<GpuId, MigUse> uses = new LinkedHashMap<>();

    ModelOperations(MigChips chip, MigGpu... gpus) {
        for (MigGpu gpu : gpus) {
            boards.put(gpu.id(), new ModelGpu(chip, gpu.geometry().asOptional().orElseThrow()));
            identities.put(gpu.id(), gpu);
        }
    }

    /** The driver tells no profiles while MIG is off. */
    void silent() {
        silent = true;
    }

    void used(GpuId gpu, MigUse.Holder... holders) {
        uses.put(gpu, new MigUse(List.of(holders)));
    }

    List<MigLayout> layouts() {
        List<MigLayout> layouts = new ArrayList<>();
        boards.values().forEach(board -> layouts.add(MigLayout.of(board.geometry())));
        return layouts;
    }

    ModelGpu board(GpuId gpu) {
        return known(boards, gpu);
    }

    @Override
    public MigGpu read(GpuId gpu) {
        return with(known(identities, gpu), board(gpu).geometry());
    }

    private static <T> T known(Map<GpuId, T> all, GpuId gpu) {
        return Objects.requireNonNull(all.get(gpu), () -> "no board " + gpu);
    }

    private MigGpu with(MigGpu gpu, MigGeometry geometry) {
        return new MigGpu(
                gpu.id(),
                gpu.index(),
                gpu.pci(),
                gpu.name(),
                gpu.pciDeviceId(),
                gpu.pciSubsystemId(),
                gpu.architecture(),
                gpu.passThrough(),
                Reading.of(geometry),
                silent && !geometry.enabled() ? new Reading.Failed<>("MIG is off") : gpu.profiles());
    }

    @Override
    public MigUse use(GpuId gpu) {
        // The model's GPU instances are known to the kubelet as MIG-<GPU>-<GPU instance>.
        Map<String, Integer> names = new LinkedHashMap<>(Map.of(gpu.uuid(), -1));
        board(gpu)
                .geometry()
                .instances()
                .forEach(instance -> names.put("MIG-" + gpu.uuid() + "-" + instance.id(), instance.id()));
        return new MigUse(uses.getOrDefault(gpu, MigUse.NOBODY).holders(), names);
    }

    @Override
    public void perform(MigGpu gpu, MigStep step) throws MigOperationException {
        if (step instanceof MigStep.DestroyPart part && use(gpu.id()).holds(part.instanceId(), part.partId())) {
            throw new MigOperationException(MigOperationException.Kind.IN_USE, "IN_USE");
        }
        try {
            board(gpu.id()).apply(step);
        } catch (AssertionError e) {
            throw new MigOperationException(MigOperationException.Kind.FAILED, "refused: " + e.getMessage(), e);
        }
    }
}
