package io.gpunode.nvml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.nvml.Nvml.CloseOutcome;
import io.gpunode.nvml.Nvml.GpuProcess;
import io.gpunode.nvml.Nvml.MemoryInfo;
import io.gpunode.nvml.Nvml.MigAttributes;
import io.gpunode.nvml.Nvml.PciInfo;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What holds of every NVML that the binding opens, simulated or real, whatever driver and GPUs are behind it. Calls that read only: it may
 * run on a machine in use. What a GPU does not have it may refuse, with a code that says so.
 */
abstract class NvmlContractKit {
    /** The codes by which NVML says that there is nothing to read. */
    private static final Set<NvmlReturn> NOTHING_THERE = EnumSet.of(
            NvmlReturn.NOT_SUPPORTED,
            NvmlReturn.NO_PERMISSION,
            NvmlReturn.NOT_FOUND,
            NvmlReturn.FUNCTION_NOT_FOUND,
            NvmlReturn.NO_DATA,
            NvmlReturn.NOT_READY);

    private static final int LINKS = 18;

    /** Open while a test runs. */
    protected Nvml nvml;

    private boolean opened;

    /** The library under test. */
    protected abstract Path library() throws Exception;

    /** A call that may be refused for want of the thing. */
    @FunctionalInterface
    private interface Reading<T> {
        T read() throws NvmlException;
    }

    @BeforeEach
    final void open() throws Exception {
        nvml = NvmlLibraries.open(library());
        opened = true;
    }

    @AfterEach
    final void close() throws Exception {
        if (opened) {
            assertThat(nvml.close(Duration.ofSeconds(10))).isEqualTo(CloseOutcome.CLOSED);
            afterClose();
        }
    }

    /** A referee's last word, once the library is shut down. */
    protected void afterClose() throws Exception {}

    private List<NvmlDevice> devices() throws NvmlException {
        List<NvmlDevice> devices = new ArrayList<>();
        for (int i = 0; i < nvml.deviceCount(); i++) {
            devices.add(nvml.deviceByIndex(i));
        }
        assumeTrue(!devices.isEmpty(), "skipped: this NVML has no GPU");
        return devices;
    }

    private List<NvmlDevice> migDevices() throws NvmlException {
        List<NvmlDevice> found = new ArrayList<>();
        for (NvmlDevice parent : devices()) {
            int most = orIfRefused(0, () -> nvml.maxMigDeviceCount(parent));
            for (int i = 0; i < most; i++) {
                int place = i;
                NvmlDevice device = orIfRefused(null, () -> nvml.migDevice(parent, place));
                if (device != null) {
                    found.add(device);
                }
            }
        }
        return found;
    }

    /** The reading, or something else where NVML says that there is nothing to read. */
    private static <T extends @Nullable Object> T orIfRefused(T other, Reading<T> reading) throws NvmlException {
        try {
            return reading.read();
        } catch (NvmlException e) {
            assertThat(NOTHING_THERE).as(e.getMessage()).contains(NvmlReturn.of(e.code()));
            return other;
        }
    }

    @Test
    void theLibraryTellsWhatItIs() throws Exception {
        NvmlLibrary library = nvml.library();
        assertThat(library.path()).isEqualTo(library());
        assertThat(library.driverVersion()).matches("\\d+\\.\\d+(\\.\\d+)?");
        assertThat(library.nvmlVersion()).endsWith(library.driverVersion());
        assertThat(library.cudaDriverVersion()).isGreaterThanOrEqualTo(11_000);
        assertThat(library.generation()).isPositive();
        assertThat(library.variants()).containsEntry("nvmlInit", "nvmlInit_v2");
        assertThat(library.absent()).doesNotContain("nvmlDeviceGetUUID");
    }

    @Test
    void everyWayToADeviceLeadsToTheSameOne() throws Exception {
        for (NvmlDevice device : devices()) {
            NvmlDevice byUuid = nvml.deviceByUuid(nvml.uuid(device));
            NvmlDevice byPci = nvml.deviceByPciBusId(nvml.pciInfo(device).busId());
            assertThat(byUuid.address()).isEqualTo(device.address());
            assertThat(byPci.address()).isEqualTo(device.address());
            assertThat(device.label()).isEqualTo("index " + nvml.index(device));
        }
    }

    @Test
    void identitiesAreDistinctAndPrintable() throws Exception {
        List<String> uuids = new ArrayList<>();
        for (NvmlDevice device : devices()) {
            String uuid = nvml.uuid(device);
            assertThat(uuid).matches("GPU-[0-9a-f-]{36}");
            uuids.add(uuid);
            assertThat(nvml.name(device)).matches("[\\x20-\\x7E]+");
            assertThat(nvml.minorNumber(device)).isBetween(0, 255);
            PciInfo pci = nvml.pciInfo(device);
            assertThat(pci.busId())
                    .matches("[0-9A-F]{8}:[0-9A-F]{2}:[0-9A-F]{2}\\.0")
                    .isEqualTo("%08X:%02X:%02X.0".formatted(pci.domain(), pci.bus(), pci.device()));
            assertThat(pci.deviceId() & 0xFFFF).as("NVIDIA's vendor id").isEqualTo(0x10DE);
            assertThat(nvml.isMigDevice(device)).isFalse();
        }
        assertThat(uuids).doesNotHaveDuplicates();
    }

    @Test
    void optionalIdentityIsTextOrARefusal() throws Exception {
        for (NvmlDevice device : devices()) {
            List<Reading<String>> readings = List.of(
                    () -> nvml.serial(device),
                    () -> nvml.boardPartNumber(device),
                    () -> nvml.vbiosVersion(device),
                    () -> nvml.inforomVersion(device, 0),
                    () -> nvml.inforomVersion(device, 1),
                    () -> nvml.inforomVersion(device, 2),
                    () -> nvml.inforomImageVersion(device));
            for (Reading<String> reading : readings) {
                assertThat(orIfRefused("", reading)).matches("[\\x20-\\x7E]*");
            }
        }
    }

    @Test
    void generationAndModesArePlausible() throws Exception {
        for (NvmlDevice device : devices()) {
            assertThat(nvml.computeCapability(device).major()).isBetween(3, 20);
            assertThat(nvml.architecture(device)).isPositive();
            assertThat(nvml.virtualizationMode(device)).isBetween(0, 4);
            assertThat(nvml.brand(device)).isNotNegative();
            assertThat(nvml.computeMode(device)).isBetween(0, 3);
            boolean persistent = nvml.persistenceMode(device);
            assertThat(nvml.persistenceMode(device)).isEqualTo(persistent);
            orIfRefused(null, () -> nvml.eccMode(device));
        }
    }

    @Test
    void memoryAddsUp() throws Exception {
        for (NvmlDevice device : devices()) {
            MemoryInfo memory = nvml.memory(device);
            assertThat(memory.total()).isPositive();
            assertThat(memory.free()).isBetween(0L, memory.total());
            assertThat(memory.used()).isBetween(0L, memory.total());
            assertThat(memory.reserved()).isBetween(-1L, memory.total());
        }
    }

    @Test
    void whatDoesNotExistIsRefusedWithItsName() throws Exception {
        int beyond = nvml.deviceCount();
        NvmlException byIndex = catchThrowableOfType(NvmlException.class, () -> nvml.deviceByIndex(beyond));
        assertThat(byIndex.is(NvmlReturn.INVALID_ARGUMENT)).isTrue();
        assertThat(byIndex).hasMessageContaining("nvmlDeviceGetHandleByIndex for index " + beyond);
        String uuid = "GPU-00000000-0000-0000-0000-000000000001";
        NvmlException byUuid = catchThrowableOfType(NvmlException.class, () -> nvml.deviceByUuid(uuid));
        assertThat(NvmlReturn.of(byUuid.code())).isIn(NvmlReturn.NOT_FOUND, NvmlReturn.INVALID_ARGUMENT);
        assertThat(byUuid).hasMessageContaining(uuid);
    }

    @Test
    void migDevicesKnowTheirParentAndPlace() throws Exception {
        for (NvmlDevice parent : devices()) {
            orIfRefused(null, () -> nvml.migMode(parent));
        }
        for (NvmlDevice device : migDevices()) {
            assertThat(nvml.isMigDevice(device)).isTrue();
            assertThat(nvml.uuid(device)).startsWith("MIG-");
            NvmlDevice parent = nvml.parentOf(device);
            assertThat(nvml.migMode(parent).current()).isTrue();
            assertThat(nvml.isMigDevice(parent)).isFalse();
            assertThat(nvml.gpuInstanceId(device)).isBetween(0, 14);
            assertThat(nvml.computeInstanceId(device)).isBetween(0, 7);
            MigAttributes attributes = nvml.migAttributes(device);
            assertThat(attributes.memoryMiB()).isPositive();
            assertThat(attributes.gpuInstanceSlices()).isBetween(1, 8);
            assertThat(attributes.computeInstanceSlices()).isBetween(1, attributes.gpuInstanceSlices());
            assertThat(nvml.memory(device).total())
                    .isLessThan(nvml.memory(parent).total());
            orIfRefused(0, () -> nvml.gpuInstanceProfileId(parent, nvml.gpuInstanceId(device)));
        }
    }

    @Test
    void migProfilesHaveIdsAndPlacesOfTheirOwnAndInstancesLieAtThem() throws Exception {
        for (NvmlDevice device : devices()) {
            NvmlMig mig = nvml.mig();
            boolean on = orIfRefused(new Nvml.Mode(false, false), () -> nvml.migMode(device))
                    .current();
            List<NvmlMig.GpuInstanceProfile> profiles =
                    orIfRefused(List.<NvmlMig.GpuInstanceProfile>of(), () -> mig.gpuInstanceProfiles(device));
            assertThat(profiles)
                    .extracting(NvmlMig.GpuInstanceProfile::constant)
                    .doesNotHaveDuplicates();
            assertThat(profiles).extracting(NvmlMig.GpuInstanceProfile::id).doesNotHaveDuplicates();
            for (NvmlMig.GpuInstanceProfile profile : profiles) {
                List<NvmlMig.Placement> places = orIfRefused(
                        List.<NvmlMig.Placement>of(), () -> mig.gpuInstancePlacements(device, profile.id()));
                assertThat(places).doesNotHaveDuplicates().allMatch(place -> place.start() >= 0 && place.size() > 0);
                assertThat(places.stream().map(NvmlMig.Placement::size).distinct())
                        .as("sizes of %s", profile)
                        .hasSizeLessThanOrEqualTo(1);
                assertThat(profile.slices()).isPositive();
                assertThat(profile.instances()).isPositive();
                if (on) {
                    assertThat(orIfRefused(0, () -> mig.gpuInstanceCapacity(device, profile.id())))
                            .isBetween(0, profile.instances());
                    assertThat(orIfRefused(
                                    List.<NvmlMig.GpuInstance>of(), () -> mig.gpuInstances(device, profile.id())))
                            .extracting(NvmlMig.GpuInstance::placement)
                            .isSubsetOf(places);
                }
            }
        }
    }

    @Test
    void anEmptyMigPlaceIsNotFound() throws Exception {
        NvmlDevice device = devices().getFirst();
        int beyond = nvml.maxMigDeviceCount(device);
        NvmlException refusal = catchThrowableOfType(NvmlException.class, () -> nvml.migDevice(device, beyond));
        assertThat(NvmlReturn.of(refusal.code()))
                .isIn(NvmlReturn.NOT_FOUND, NvmlReturn.INVALID_ARGUMENT, NvmlReturn.NOT_SUPPORTED);
    }

    @Test
    void topologyIsSymmetric() throws Exception {
        List<NvmlDevice> devices = devices();
        NvmlDevice first = devices.getFirst();
        NvmlDevice last = devices.getLast();
        assertThat(orIfRefused(0, () -> nvml.commonAncestor(first, last)))
                .isEqualTo(orIfRefused(0, () -> nvml.commonAncestor(last, first)))
                .isIn(0, 10, 20, 30, 40, 50);
        if (first.address() != last.address()) {
            assertThat(orIfRefused(0, () -> nvml.p2pStatus(first, last, 2)))
                    .isEqualTo(orIfRefused(0, () -> nvml.p2pStatus(last, first, 2)));
        }
        orIfRefused(0, () -> nvml.numaNodeId(first));
        orIfRefused(null, () -> nvml.fabricInfo(first));
    }

    @Test
    void activeLinksSayWhereTheyLead() throws Exception {
        for (NvmlDevice device : devices()) {
            for (int i = 0; i < LINKS; i++) {
                int link = i;
                boolean active;
                try {
                    active = nvml.nvLinkActive(device, link);
                } catch (NvmlException e) {
                    assertThat(e.is(NvmlReturn.INVALID_ARGUMENT) || NOTHING_THERE.contains(NvmlReturn.of(e.code())))
                            .as(e.getMessage())
                            .isTrue();
                    break;
                }
                if (active) {
                    assertThat(nvml.nvLinkRemotePci(device, link).busId()).contains(":");
                    assertThat(orIfRefused(255, () -> nvml.nvLinkRemoteType(device, link)))
                            .isIn(0, 1, 2, 255);
                }
            }
        }
    }

    @Test
    void processesHaveNumbers() throws Exception {
        for (NvmlDevice device : devices()) {
            for (GpuProcess process : orIfRefused(List.<GpuProcess>of(), () -> nvml.processes(device))) {
                assertThat(process.pid()).isPositive();
                assertThat(process.usedMemory())
                        .isBetween(-1L, nvml.memory(device).total());
                orIfRefused("", () -> nvml.processName(process.pid()));
            }
            for (Nvml.ProcessUtilization use :
                    orIfRefused(List.<Nvml.ProcessUtilization>of(), () -> nvml.processUtilization(device, 0))) {
                assertThat(use.sm()).isBetween(0, 100);
                assertThat(use.timeStampMicros()).isPositive();
            }
        }
    }

    @Test
    void aSamplerAnswersEveryQueryWithAValueOrAReason() throws Exception {
        List<NvmlQuery> queries = Queries.all();
        try (NvmlSampler sampler = nvml.sampler(queries)) {
            long[] values = new long[sampler.size()];
            int[] codes = new int[sampler.size()];
            for (NvmlDevice device : devices()) {
                Arrays.fill(codes, -1);
                sampler.read(device, values, codes);
                for (int i = 0; i < codes.length; i++) {
                    NvmlReturn code = NvmlReturn.of(codes[i]);
                    assertThat(code == NvmlReturn.SUCCESS
                                    || code == NvmlReturn.INVALID_ARGUMENT
                                    || NOTHING_THERE.contains(code))
                            .as(queries.get(i) + " answered " + NvmlReturn.nameOf(codes[i]))
                            .isTrue();
                }
            }
        }
    }

    @Test
    void aSamplerAgreesWithTheTypedCalls() throws Exception {
        List<NvmlQuery> queries = List.of(
                new NvmlQuery.Memory(NvmlQuery.MemoryPart.TOTAL),
                new NvmlQuery.Temperature(),
                new NvmlQuery.Power(),
                new NvmlQuery.Clock(1),
                new NvmlQuery.MaxClock(1));
        try (NvmlSampler sampler = nvml.sampler(queries)) {
            long[] values = new long[queries.size()];
            int[] codes = new int[queries.size()];
            for (NvmlDevice device : devices()) {
                sampler.read(device, values, codes);
                assertThat(codes[0]).isZero();
                assertThat(values[0]).isEqualTo(nvml.memory(device).total());
                if (codes[1] == 0) {
                    assertThat(values[1]).as("°C").isBetween(-20L, 150L);
                }
                if (codes[2] == 0) {
                    assertThat(values[2]).as("mW").isBetween(0L, 5_000_000L);
                }
                if (codes[3] == 0 && codes[4] == 0) {
                    assertThat(values[3]).as("MHz").isBetween(0L, values[4]);
                }
            }
        }
    }

    @Test
    void aFieldThatNobodyKnowsFailsAlone() throws Exception {
        List<NvmlQuery> queries = List.of(new NvmlQuery.Field(99_999, 0), new NvmlQuery.Clock(1));
        try (NvmlSampler sampler = nvml.sampler(queries)) {
            int[] codes = new int[2];
            sampler.read(devices().getFirst(), new long[2], codes);
            assertThat(codes[0]).isNotZero();
            assertThat(codes[1]).isZero();
        }
    }

    @Test
    void anEventSetWaitsInVainForASetTime() throws Exception {
        NvmlDevice device = devices().getFirst();
        long supported = orIfRefused(0L, () -> nvml.supportedEventTypes(device));
        assumeTrue((supported & NvmlEventSet.XID_CRITICAL_ERROR) != 0, "skipped: this GPU reports no XIDs");
        try (NvmlEventSet set = nvml.createEventSet()) {
            set.register(device, NvmlEventSet.XID_CRITICAL_ERROR);
            assertThat(set.await(Duration.ZERO)).isNull();
            assertThat(set.await(Duration.ofMillis(20))).isNull();
        }
    }

    @Test
    void performanceMonitoringGivesSharesWhereItIsSupported() throws Exception {
        NvmlDevice device = devices().getFirst();
        boolean supported = nvml.gpmSupported(device);
        boolean mig = orIfRefused(new Nvml.Mode(false, false), () -> nvml.migMode(device))
                .current();
        assumeTrue(supported && !mig, "skipped: this GPU has no GPM, or is split");
        double[] values = new double[3];
        int[] codes = new int[3];
        try (NvmlGpmSampler sampler = nvml.gpmSampler(device, -1, new int[] {1, 5, 10})) {
            assertThat(sampler.read(values, codes)).isFalse();
            // GPM wants samples at least 100 ms apart; an event set without events is NVML's own way to wait.
            try (NvmlEventSet set = nvml.createEventSet()) {
                set.register(device, NvmlEventSet.XID_CRITICAL_ERROR);
                set.await(Duration.ofMillis(150));
            }
            assertThat(sampler.read(values, codes)).isTrue();
        }
        for (int i = 0; i < codes.length; i++) {
            assertThat(codes[i] != 0 || Double.isNaN(values[i]) || (values[i] >= 0 && values[i] <= 100))
                    .as(codes[i] + ": " + values[i])
                    .isTrue();
        }
    }

    @Test
    void manyThreadsGetTheSameAnswers() throws Exception {
        NvmlDevice device = devices().getFirst();
        String uuid = nvml.uuid(device);
        int minor = nvml.minorNumber(device);
        Callable<Boolean> reader = () -> {
            for (int i = 0; i < 200; i++) {
                if (!nvml.uuid(device).equals(uuid) || nvml.minorNumber(device) != minor) {
                    return false;
                }
            }
            return true;
        };
        try (ExecutorService pool = Executors.newFixedThreadPool(8)) {
            for (Future<Boolean> same : pool.invokeAll(Collections.nCopies(8, reader))) {
                assertThat(same.get()).isTrue();
            }
        }
    }

    @Test
    void aDeviceOfAnotherGenerationIsRefusedBeforeItReachesTheLibrary() throws Exception {
        NvmlDevice device = devices().getFirst();
        NvmlDevice stale = new NvmlDevice(device.address(), device.generation() - 1, "GPU-old");
        NvmlException refusal = catchThrowableOfType(NvmlException.class, () -> nvml.name(stale));
        assertThat(refusal.is(NvmlReturn.UNINITIALIZED)).isTrue();
        assertThat(refusal).hasMessageContaining("GPU-old");
    }

    @Test
    void aClosedSessionRefusesEverythingAndStaysClosed() throws Exception {
        NvmlDevice device = devices().getFirst();
        NvmlSampler sampler = nvml.sampler(List.of(new NvmlQuery.Power(), new NvmlQuery.Field(1, 0)));
        nvml.close(Duration.ofSeconds(10));
        int[] codes = new int[2];
        sampler.read(device, new long[2], codes);
        sampler.close();
        assertThat(codes).containsOnly(NvmlReturn.UNINITIALIZED.code());
        List<Reading<?>> calls = List.of(
                () -> nvml.deviceCount(),
                () -> nvml.deviceByIndex(0),
                () -> nvml.name(device),
                () -> nvml.memory(device),
                () -> nvml.processes(device),
                () -> nvml.createEventSet());
        for (Reading<?> call : calls) {
            NvmlException refusal = catchThrowableOfType(NvmlException.class, call::read);
            assertThat(refusal.is(NvmlReturn.UNINITIALIZED)).isTrue();
        }
        assertThat(nvml.close(Duration.ZERO)).isEqualTo(CloseOutcome.CLOSED);
    }
}
