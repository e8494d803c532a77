package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.gpu.GpuEvents;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;

/** One GPU under the policy: readings, reports and time go in, a verdict comes out. */
final class Patient {
    final ManualTime time = new ManualTime();
    private final HealthPolicy policy;
    private final CounterGrowth growth = new CounterGrowth();
    private final Snapshots node = Snapshots.t4();
    private Evidence evidence = Evidence.none(new PciAddress(0, 0x3b, 0, 0), time.now());

    Patient(AgentConfig.Health config) {
        policy = new HealthPolicy(config);
    }

    /** A new reading of these numbers; what was not named was not read. */
    Patient reads(Map<Quantity, ? extends Number> numbers) {
        node.sample(0, numbers);
        return look(true);
    }

    /** A new reading in which this failed. */
    Patient fails(Quantity quantity) {
        byte[] statuses = new byte[Quantity.count()];
        Arrays.fill(statuses, GpuSample.UNSUPPORTED);
        statuses[quantity.ordinal()] = GpuSample.FAILED;
        node.sample(0, GpuSample.copyOf(new long[Quantity.count()], statuses, 1));
        return look(true);
    }

    /** A new reading of these numbers in which this failed. */
    Patient readsBut(Map<Quantity, Integer> numbers, Quantity failed) {
        byte[] statuses = new byte[Quantity.count()];
        long[] values = new long[Quantity.count()];
        Arrays.fill(statuses, GpuSample.UNSUPPORTED);
        statuses[failed.ordinal()] = GpuSample.FAILED;
        numbers.forEach((quantity, value) -> {
            statuses[quantity.ordinal()] = GpuSample.PRESENT;
            values[quantity.ordinal()] = value;
        });
        node.sample(0, GpuSample.copyOf(values, statuses, 1));
        return look(true);
    }

    /** Another picture with the old reading. */
    Patient repeats() {
        return look(false);
    }

    Patient lane(LaneState lane) {
        node.lane(0, lane);
        return look(lane instanceof LaneState.Responsive);
    }

    /** In MIG mode with these devices. */
    Patient mig(MigDevice... devices) {
        node.mig(0, devices);
        return look(true);
    }

    Patient gpu(UnaryOperator<Gpu> change) {
        node.gpu(0, change);
        return look(true);
    }

    Patient xid(long xid) {
        return xid(xid, OptionalInt.empty(), OptionalInt.empty());
    }

    Patient xid(long xid, OptionalInt gpuInstance, OptionalInt computeInstance) {
        return report(DriverReport.xid(xid, gpuInstance, computeInstance), Incident.Witness.NVML);
    }

    /** The kernel log tells of an XID. */
    Patient logged(long xid) {
        return report(DriverReport.xid(xid, OptionalInt.empty(), OptionalInt.empty()), Incident.Witness.KERNEL_LOG);
    }

    /** The kernel log tells of an error of NVLink 5, in the driver's word. */
    Patient loggedNvlink(boolean fatal) {
        PciAddress pci = node.build().gpus().getFirst().pci();
        return report(
                DriverReport.logged(new KernelMessage.Xid(pci, 145, OptionalInt.empty(), OptionalInt.empty(), fatal)),
                Incident.Witness.KERNEL_LOG);
    }

    Patient event(GpuEvents.Kind kind) {
        return report(DriverReport.event(kind, OptionalInt.empty(), OptionalInt.empty()), Incident.Witness.NVML);
    }

    private Patient report(DriverReport report, Incident.Witness witness) {
        List<MigDevice> layout = node.build().gpus().getFirst().migDevices();
        evidence = policy.withoutWhatIsOver(evidence, time.now())
                .withReport(
                        report,
                        HealthPolicy.devices(report, layout),
                        witness,
                        policy::weight,
                        time.instant(),
                        time.now());
        return this;
    }

    Patient advance(Duration duration) {
        time.advance(duration);
        return this;
    }

    HealthVerdict verdict() {
        return policy.fold(Snapshots.id(0), evidence);
    }

    GpuHealth health() {
        return verdict().health();
    }

    private Patient look(boolean newReading) {
        Gpu gpu = node.build().gpus().getFirst();
        if (newReading) {
            growth.take(gpu.sample(), time.now());
        }
        evidence = policy.observe(evidence, new Observation(gpu, growth), newReading, time.instant(), time.now());
        return this;
    }
}
