package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.WriteFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What is written down of changes of the driver, to be looked at: reads the state directory, takes no lock and changes nothing.
 *
 * @param change the change that is under way or was interrupted, in words; empty for none
 * @param previous the driver to which a rollback leads, in words; empty for none
 * @param givenUp which driver is not tried by itself any more, and why; empty for none
 * @param unloadedByHand whether somebody has unloaded the driver in this boot
 * @param remarks what of it a person should know, with the next step
 */
public record DriverHistory(
        String change, String previous, String givenUp, boolean unloadedByHand, List<DriverRemark> remarks) {
    private static final String LOAD = "gpu-node-agent driver load";

    public DriverHistory {
        remarks = List.copyOf(remarks);
    }

    /**
     * @param bootId of this boot; empty when the kernel has none
     * @param loaded whether a driver is
     */
    static DriverHistory read(HostFiles files, Path stateDirectory, String bootId, boolean loaded) {
        List<DriverRemark> remarks = new ArrayList<>();
        String change = change(new DriverJournal(files, stateDirectory), remarks);
        if (!change.isEmpty()) {
            String last = OwnerLock.owner(files, stateDirectory.resolve(DriverTransaction.LOCK));
            remarks.add(new DriverRemark(
                    change,
                    "where " + last
                            + " is at it still, wait (gpu-node-agent status); else the agent's next start or look ends"
                            + " it, and at once: gpu-node-agent driver rollback"));
        }
        DriverMemory.Content known = DriverMemory.Content.NOTHING;
        try {
            known = new DriverMemory(files, stateDirectory).load();
        } catch (IOException e) {
            remarks.add(new DriverRemark("what is remembered of earlier drivers cannot be read", WriteFailure.text(e)));
        } catch (JournalFile.UnreadableException e) {
            remarks.add(new DriverRemark(
                    String.valueOf(e.getMessage()),
                    "driver rollback does not know the driver before; name its version in driver.version, and:"
                            + " gpu-node-agent driver upgrade"));
        }
        boolean unloaded =
                !loaded && !bootId.isEmpty() && known.unloadedInBoot().equals(bootId);
        if (unloaded) {
            remarks.add(new DriverRemark("somebody has unloaded the driver; it comes back with the next boot", LOAD));
        }
        if (!known.givenUp().isEmpty()) {
            remarks.add(new DriverRemark(
                    known.givenUp() + "; it is not tried by itself any more",
                    "gpu-node-agent driver upgrade tries it again; else wish for another one (driver.version)"));
        }
        return new DriverHistory(
                change, known.previous().isNone() ? "" : known.previous().text(), known.givenUp(), unloaded, remarks);
    }

    private static String change(DriverJournal journal, List<DriverRemark> remarks) {
        try {
            return journal.read(ClusterTurn.Asked.NOTHING)
                    .map(DriverHistory::words)
                    .orElse("");
        } catch (IOException e) {
            remarks.add(new DriverRemark(
                    "whether a change of the driver is under way cannot be read", WriteFailure.text(e)));
        } catch (JournalFile.UnreadableException e) {
            remarks.add(new DriverRemark(
                    String.valueOf(e.getMessage()),
                    "the next start of the agent, or the next driver command, does so"));
        }
        return "";
    }

    private static String words(DriverJournal.Entry entry) {
        String failed = entry.back() ? "it could not " + entry.failedStep() + " (" + entry.reason() + ")" : "";
        return "a change from " + entry.from().text() + " to " + entry.to().text() + " is under way or was interrupted"
                + (entry.back() ? " and goes back: " + failed : "")
                + (entry.next().isEmpty() ? "" : "; its step " + entry.step() + ": " + entry.next());
    }
}
