package io.gpunode.agent.mig;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.TextFile;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.os.HostFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Brings a node to a layout by its name, once: reads the layouts and the GPUs, plans, and carries it out. One thread. */
final class MigChanger {
    private static final Log LOG = Log.of(MigManager.class);

    private final AgentConfig.Mig config;
    private final HostFiles files;
    private final MigTransaction.Listener listener;
    /** What the layout that was looked into last is, and the file that says so. */
    private List<String> definition = List.of();

    private String fileText = "";
    /** What the file has become, when it was seen once. */
    private String newText = "";

    /** How it ended. */
    sealed interface Result {
        /**
         * The layout is there.
         *
         * @param steps how many were made
         * @param devices how many MIG devices each GPU of the layout has
         */
        record Done(int steps, Map<GpuId, Integer> devices) implements Result {}

        /** Somebody uses what would have to go; the GPUs are as they were. */
        record InUse(String reason) implements Result {}

        /**
         * It could not be done.
         *
         * @param reason with the next step
         * @param modeRefused whether a switch of the mode was taken back, for which the driver wants the GPU to itself
         */
        record Failed(String reason, boolean modeRefused) implements Result {}
    }

    /** Told before the first step of a change, and before it is looked at for the last time who uses the GPUs. */
    @FunctionalInterface
    interface Beginning {
        /** @param gpus those that change */
        void beginning(int steps, Set<GpuId> gpus);
    }

    MigChanger(AgentConfig.Mig config, HostFiles files, MigTransaction.Listener listener) {
        this.config = config;
        this.files = files;
        this.listener = listener;
    }

    /**
     * Ends what an earlier change has left, then makes this one.
     *
     * @param order the node's GPUs in PCI order
     * @param uncounted why the GPUs cannot be counted by index; empty when they can
     */
    Result change(String layout, List<GpuId> order, String uncounted, MigOperations operations, Beginning beginning)
            throws InterruptedException {
        MigTransaction transaction = new MigTransaction(files, MigTransaction.STATE_DIRECTORY, operations, listener);
        Optional<MigOutcome> interrupted = transaction.recover();
        // What is left of a GPU that cannot be reached holds up no change of the others.
        if (interrupted.isPresent() && interrupted.get() instanceof MigOutcome.Untouched) {
            return failed(interruptedText(interrupted.get()));
        }
        try {
            List<MigGpu> gpus = new ArrayList<>(order.size());
            Map<Integer, String> unreadable = new TreeMap<>();
            for (int index = 0; index < order.size(); index++) {
                try {
                    gpus.add(operations.read(order.get(index)));
                } catch (MigOperationException e) {
                    unreadable.put(
                            index, "GPU " + index + " (" + order.get(index) + ") cannot be looked at: " + e.text());
                }
            }
            Report report = new Report(true);
            if (gpus.isEmpty() && !unreadable.isEmpty()) {
                return failed(String.join("; ", unreadable.values()));
            }
            Optional<MigConfigFile> file = layouts(gpus, report);
            if (file.isEmpty()) {
                return failed(text(report));
            }
            List<MigConfigFile.Entry> entries = file.get().layouts().get(layout);
            if (entries == null) {
                return failed("there is no layout \"" + layout + "\" in " + source() + "; set the label to one of: "
                        + String.join(", ", file.get().layouts().keySet()));
            }
            definition = definition(entries);
            String inDoubt = unreadable.entrySet().stream()
                    .filter(gpu -> entries.stream().anyMatch(entry -> mayName(entry, gpu.getKey())))
                    .map(Map.Entry::getValue)
                    .collect(Collectors.joining("; "));
            if (!inDoubt.isEmpty()) {
                return failed(inDoubt);
            }
            if (!uncounted.isEmpty()
                    && entries.stream().anyMatch(entry -> !entry.gpus().isEmpty())) {
                return failed("the layout names GPUs by index, and " + uncounted);
            }
            Optional<MigConfigWishes> wishes = MigConfigWishes.of(entries, gpus, report);
            if (wishes.isEmpty()) {
                return failed(text(report));
            }
            Result result = apply(wishes.get(), operations, transaction, beginning);
            List<MigGpu> modeFirst = ModeFirst.of(wishes.get().gpus());
            if (modeFirst.isEmpty() || !(result instanceof Result.Done(int turnedOn, var _))) {
                return result;
            }
            return rest(
                    change(layout, order, uncounted, operations, beginning),
                    turnedOn,
                    modeFirst,
                    operations,
                    transaction);
        } catch (MigOperationException e) {
            if (e.kind() == MigOperationException.Kind.IN_USE) {
                return new Result.InUse(e.text());
            }
            return failed("the GPUs cannot be looked at: " + e.text());
        } catch (MigReader.UnreadableException e) {
            return failed(String.valueOf(e.getMessage()));
        }
    }

    /** What came of the rest of a change that had to turn MIG on first. */
    private static Result rest(
            Result rest, int turnedOn, List<MigGpu> modeFirst, MigOperations operations, MigTransaction transaction)
            throws MigOperationException, InterruptedException {
        return switch (rest) {
            case Result.Done(int steps, Map<GpuId, Integer> devices) -> new Result.Done(turnedOn + steps, devices);
            case Result.InUse _, Result.Failed _ -> {
                Optional<MigOutcome> back = ModeFirst.takeBack(modeFirst, operations, transaction);
                if (back.isEmpty() || !(back.get() instanceof MigOutcome.Done)) {
                    LOG.warn(
                            "MIG was turned on for a change that failed, and stays on",
                            "reason",
                            back.map(MigOutcome::message).orElse("a GPU is in use"));
                }
                yield rest;
            }
        };
    }

    /** Ends what an earlier change has left; why that is impossible, or empty. */
    String finish(MigOperations operations) throws InterruptedException {
        Optional<MigOutcome> ended =
                new MigTransaction(files, MigTransaction.STATE_DIRECTORY, operations, listener).recover();
        boolean well = ended.isEmpty()
                || ended.get() instanceof MigOutcome.Done
                || ended.get() instanceof MigOutcome.RolledBack;
        return well ? "" : interruptedText(ended.get());
    }

    private static String interruptedText(MigOutcome outcome) {
        return "a change that was interrupted: " + outcome.message();
    }

    private Result apply(
            MigConfigWishes wishes, MigOperations operations, MigTransaction transaction, Beginning beginning)
            throws MigOperationException, InterruptedException {
        List<MigRequest> requests = new ArrayList<>();
        for (MigConfigWishes.Wanted wanted : wishes.gpus()) {
            if (wanted.wish().isPresent()) {
                MigGpu gpu = wanted.gpu();
                MigUse use = gpu.capable() ? operations.use(gpu.id()) : MigUse.NOBODY;
                requests.add(new MigRequest(gpu, wanted.wish().get(), use));
            }
        }
        return switch (MigPlanner.plan(requests)) {
            case MigDecision.Refused refused -> {
                boolean inUse = refused.reasons().stream().allMatch(MigRefusal.InUse.class::isInstance);
                String why = refused.reasons().stream().map(MigRefusal::message).collect(Collectors.joining("; "));
                yield inUse ? new Result.InUse(why) : failed(why);
            }
            case MigDecision.Planned(MigPlan plan) -> {
                if (!plan.isEmpty()) {
                    beginning.beginning(
                            plan.stepCount(),
                            plan.gpus().stream()
                                    .filter(gpu -> !gpu.steps().isEmpty())
                                    .map(MigPlan.OfGpu::gpu)
                                    .collect(Collectors.toSet()));
                }
                yield result(plan, transaction.apply(plan));
            }
        };
    }

    private static Result result(MigPlan plan, MigOutcome outcome) {
        return switch (outcome) {
            case MigOutcome.Done done -> {
                if (done.restartNeeded()) {
                    yield failed("MIG mode comes into force when the machine was restarted: restart it, the rest is"
                            + " done then. The agent restarts no machine by itself");
                }
                Map<GpuId, Integer> devices = new LinkedHashMap<>();
                for (MigPlan.OfGpu gpu : plan.gpus()) {
                    devices.put(
                            gpu.gpu(),
                            gpu.after().instances().stream()
                                    .mapToInt(instance -> instance.parts().size())
                                    .sum());
                }
                yield new Result.Done(done.steps(), devices);
            }
            case MigOutcome.RolledBack back -> notDone(back.why(), back.message());
            case MigOutcome.Untouched untouched -> notDone(untouched.why(), untouched.message());
            case MigOutcome.Stuck stuck -> failed(stuck.message());
        };
    }

    private static Result notDone(MigOutcome.Why why, String message) {
        return switch (why) {
            case IN_USE -> new Result.InUse(message);
            case MODE_REFUSED -> new Result.Failed(message, true);
            case OTHER -> failed(message);
        };
    }

    /** Of a GPU that cannot be looked at nobody knows whether a filter for its model means it. */
    private static boolean mayName(MigConfigFile.Entry entry, int index) {
        return entry.gpus().isEmpty() || entry.gpus().contains(index);
    }

    /** From the file, which may have been changed since; else those that the hardware can be split into. */
    private Optional<MigConfigFile> layouts(List<MigGpu> gpus, Report report) throws MigReader.UnreadableException {
        String name = config.configFile();
        if (name.isEmpty()) {
            return Optional.of(GeneratedConfig.of(gpus));
        }
        Optional<String> text = TextFile.read(Path.of(name), report);
        fileText = text.orElse("");
        return text.flatMap(found -> MigConfigReader.read(name, found, report));
    }

    /**
     * Whether the layout that was looked into last is another one in the file by now. A file that changed is believed when it is seen for the second
     * time, since it may be half written; one that is of no use changes nothing.
     */
    boolean redefined(String layout) {
        if (config.configFile().isEmpty()) {
            return false;
        }
        Report report = new Report(true);
        String text = TextFile.read(Path.of(config.configFile()), report).orElse(fileText);
        boolean seenTwice = text.equals(newText);
        newText = text;
        if (text.equals(fileText) || !seenTwice) {
            return false;
        }
        fileText = text;
        Optional<MigConfigFile> file = MigConfigReader.read(config.configFile(), text, report);
        if (file.isEmpty()) {
            LOG.warn("the file of MIG layouts has changed and is of no use; the layout stays", "error", text(report));
            return false;
        }
        List<MigConfigFile.Entry> entries = file.get().layouts().get(layout);
        return entries == null || !definition(entries).equals(definition);
    }

    /** What a layout wants, wherever it stands in its file. */
    private static List<String> definition(List<MigConfigFile.Entry> entries) {
        List<String> definition = new ArrayList<>(entries.size());
        for (MigConfigFile.Entry entry : entries) {
            StringBuilder text = new StringBuilder()
                    .append(entry.filters())
                    .append(entry.gpus())
                    .append(entry.enabled());
            entry.devices()
                    .forEach(device ->
                            text.append(' ').append(device.count()).append('x').append(device.profile()));
            definition.add(text.toString());
        }
        return definition;
    }

    private String source() {
        return config.configFile().isEmpty() ? "the usual layouts of this node's GPUs" : config.configFile();
    }

    private static String text(Report report) {
        return report.problems().stream().limit(4).map(Problem::toString).collect(Collectors.joining("; "));
    }

    private static Result failed(String reason) {
        return new Result.Failed(reason, false);
    }
}
