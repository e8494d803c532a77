package io.gpunode.agent.driver;

import io.gpunode.agent.attribution.KubeletLogs;
import io.gpunode.agent.driver.Holder.Through;
import io.gpunode.agent.os.ContainerCgroup;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.OpenDevices;
import io.gpunode.agent.os.OpenDevices.DeviceHolder;
import io.gpunode.agent.os.OpenDevices.Look;
import io.gpunode.agent.os.OpenDevices.OpenDevice;
import io.gpunode.agent.os.OpenDevices.SeenProcess;
import io.gpunode.agent.os.OpenDevices.Suspect;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * {@link HolderScan} by open devices: each process with the driver's devices is told with its unit, or with its pod by the names of the kubelet's log
 * directories, for which no API server is asked. A module with more references than descriptors were found is held in the kernel; then processes that could be
 * the reason are looked for. For one thread at a time.
 */
public final class OpenDeviceScan implements HolderScan {
    private final HostFiles own;
    private final HostFiles host;
    private final OpenDevices devices;
    private final MonotonicClock clock;

    /**
     * @param own files as this process sees them: numbers of the kernel's devices
     * @param host the host's files: the kubelet's logs
     */
    public OpenDeviceScan(HostFiles own, HostFiles host, OpenDevices devices, MonotonicClock clock) {
        this.own = own;
        this.host = host;
        this.devices = devices;
        this.clock = clock;
    }

    @Override
    public synchronized HolderTable scan(ModuleGraph modules) {
        Tick begin = clock.now();
        DriverDevices known;
        try {
            known = new DriverDevices(own);
        } catch (IOException e) {
            return new HolderTable(
                    List.of(),
                    List.of(),
                    List.of("the kernel's device numbers cannot be read: " + e.getMessage()),
                    0,
                    0,
                    clock.now().since(begin));
        }
        KubeletLogs logs = new KubeletLogs(host, clock);
        Look look = devices.look(known::has);
        List<Holder> holders = new ArrayList<>();
        for (DeviceHolder holder : look.holders()) {
            HolderPlace place = place(holder.process(), logs);
            for (OpenDevice open : holder.devices()) {
                known.find(open.major(), open.minor())
                        .ifPresent(device -> holders.add(holder(device, holder.process(), place, open)));
            }
        }
        boolean unexplained = addKernelSide(modules, holders);
        List<HolderTable.Suspect> suspects = new ArrayList<>();
        if (unexplained) {
            for (Suspect suspect : devices.suspects()) {
                SeenProcess process = suspect.process();
                suspects.add(new HolderTable.Suspect(
                        process.pid(),
                        process.startedMillis(),
                        process.executable(),
                        place(process, logs),
                        suspect.why()));
            }
        }
        holders.sort(Comparator.comparingInt((Holder holder) -> ModuleGraph.KNOWN.indexOf(holder.module()))
                .thenComparing(Holder::module)
                .thenComparing(Holder::device)
                .thenComparingInt(Holder::pid)
                .thenComparing(Holder::through));
        return new HolderTable(
                holders,
                suspects,
                look.blind(),
                look.processes(),
                look.descriptors(),
                clock.now().since(begin));
    }

    private static Holder holder(DriverDevices.Device device, SeenProcess process, HolderPlace place, OpenDevice open) {
        return new Holder(
                device.module(),
                device.path(),
                process.pid(),
                process.startedMillis(),
                process.executable(),
                place,
                open.mapped() ? Through.MAP : Through.FD,
                open.count(),
                process.state());
    }

    /**
     * Adds what no process was found for. Descriptors of one open file are several, so more may be found than there are references; fewer is never right.
     *
     * @return whether there is any
     */
    private static boolean addKernelSide(ModuleGraph modules, List<Holder> holders) {
        Map<String, Integer> found = new HashMap<>();
        holders.forEach(holder -> found.merge(holder.module(), holder.count(), Integer::sum));
        boolean any = false;
        for (LoadedModule module : modules.modules()) {
            int missing = module.externalReferences() - found.getOrDefault(module.name(), 0);
            if (missing > 0) {
                holders.add(new Holder(module.name(), "", 0, 0, "", HolderPlace.UNKNOWN, Through.KERNEL, missing, ""));
                any = true;
            }
        }
        return any;
    }

    private static HolderPlace place(SeenProcess process, KubeletLogs logs) {
        ContainerCgroup container = process.container();
        if (!container.isContainer()) {
            return HolderPlace.ofUnit(process.unit());
        }
        Optional<KubeletLogs.Container> named =
                container.containerId().isEmpty() ? Optional.empty() : logs.container(container.containerId());
        if (named.isPresent()) {
            return new HolderPlace(
                    process.unit(),
                    named.get().namespace(),
                    named.get().pod(),
                    named.get().name(),
                    container.podUid(),
                    container.containerId());
        }
        Optional<KubeletLogs.Pod> pod = container.podUid().isEmpty() ? Optional.empty() : logs.pod(container.podUid());
        return new HolderPlace(
                process.unit(),
                pod.map(KubeletLogs.Pod::namespace).orElse(""),
                pod.map(KubeletLogs.Pod::name).orElse(""),
                "",
                container.podUid(),
                container.containerId());
    }
}
