package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.PciAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/** Lists that the test sets, whatever the picture; whoever changes them wakes the plugin. */
final class FakeCatalog implements DevicePlugin.Catalog {
    private Map<String, AdvertisedDevices> lists = Map.of();
    private volatile List<ResourcePlan.Problem> problems = List.of();
    private volatile Runnable atUpdate = () -> {};
    private final AtomicLong updates = new AtomicLong();

    /** Offers healthy devices of a resource, from now on with the others. */
    synchronized FakeCatalog offer(String resource, String... ids) {
        return put(resource, "", ids);
    }

    /** Offers devices of a resource that are all unhealthy. */
    synchronized FakeCatalog offerUnhealthy(String resource, String... ids) {
        return put(resource, "broken", ids);
    }

    /** No longer offers a resource. */
    synchronized void withdraw(String resource) {
        Map<String, AdvertisedDevices> next = new LinkedHashMap<>(lists);
        next.remove(resource);
        lists = next;
    }

    @Override
    public void withhold(Set<GpuId> gpus) {
        // The lists are the test's.
    }

    @Override
    public void configure(PluginSettings settings) {}

    @Override
    public List<ResourcePlan.Problem> problems() {
        return problems;
    }

    /** What is left out from now on. */
    void leaveOut(ResourcePlan.Problem... now) {
        problems = List.of(now);
    }

    /** What the plugin's loop does whenever it asks for the lists. */
    void atUpdate(Runnable action) {
        atUpdate = action;
    }

    /** How often the plugin's loop has asked. */
    long updates() {
        return updates.get();
    }

    @Override
    public List<AdvertisedDevices> update(NodeSnapshot snapshot, CdiCoverage coverage) {
        atUpdate.run();
        updates.incrementAndGet();
        synchronized (this) {
            return List.copyOf(lists.values());
        }
    }

    @Override
    public String notReady() {
        return "";
    }

    private FakeCatalog put(String resource, String problem, String... ids) {
        List<AdvertisedDevice> devices = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            devices.add(AdvertisedDevice.gpu(
                    new GpuId(ids[i]), i, i, new PciAddress(0, i + 1, 0, 0), OptionalInt.empty(), problem));
        }
        Map<String, AdvertisedDevices> next = new LinkedHashMap<>(lists);
        next.put(
                resource,
                new AdvertisedDevices(resource, "", devices, PairScores.unknown(ids.length), AllocationRules.NONE));
        lists = next;
        return this;
    }
}
