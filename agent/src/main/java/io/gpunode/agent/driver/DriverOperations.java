package io.gpunode.agent.driver;

import java.util.List;

/** What a change of the driver does to the node. One thread at a time, which holds the node's driver lock for everything but looking. */
interface DriverOperations {
    /** What is there. Never fails: what cannot be seen counts as not there. */
    DriverPicture observe() throws InterruptedException;

    /** The same without the daemons, as if none were there: looking for them means looking at every process. */
    DriverPicture observeModules() throws InterruptedException;

    /** Who holds what would be unloaded now, without those who let go by themselves: the agent, and the driver's daemons outside of containers. Slow. */
    HolderTable holders() throws InterruptedException;

    /**
     * Makes a step; one that was made already changes nothing.
     *
     * @return what is worth telling although it worked, in sentences
     * @throws DriverStepException when it did not work; nothing of it was made, or it can be made again
     */
    List<String> perform(DriverStep step) throws DriverStepException, InterruptedException;

    /**
     * Keeps drivers of the store from being removed; all others may be.
     *
     * @param current what runs, or is about to
     * @param others what a way back leads to
     * @throws DriverStepException when that cannot be written down
     */
    void keep(DriverTarget current, List<DriverTarget> others) throws DriverStepException;

    /** Has daemons that did not come up count as such that were never tried. */
    void retryDaemons();

    /** What {@link #takeTurn} would ask the cluster for, which {@link #endTurn} gives back. */
    ClusterTurn.Asked asks();

    /**
     * Waits for nobody: asks whether the cluster lets this node exchange its driver now. {@link #endTurn} ends it.
     *
     * @throws ClusterTurn.UnsureException when it cannot be asked, or its answer was lost: {@link #endTurn} is to be called
     * @throws DriverStepException when it does not
     */
    void takeTurn() throws DriverStepException, InterruptedException;

    /**
     * It is over, before pods may come again. Never fails; also after {@link #takeTurn} was called in another process, with other settings.
     *
     * @return what is left of it, to be tried again
     */
    ClusterTurn.Asked endTurn(ClusterTurn.Asked asked, ClusterTurn.State state) throws InterruptedException;

    /**
     * Has the label say, outside of a turn, that the driver is the wanted one; where no label is wanted any more, takes it away. Never fails.
     *
     * @return whether that was done
     */
    boolean settleLabel() throws InterruptedException;

    /** Whether {@link #drain} can free the node of pods. */
    boolean canDrain();

    /**
     * Cordons the node and has its GPU pods evicted.
     *
     * @param inTurn whether {@link #takeTurn} was called for it, so that the cluster is told
     * @throws DriverStepException when pods stay; the node may be cordoned then, until {@link #undrain}
     */
    void drain(boolean inTurn) throws DriverStepException, InterruptedException;

    /**
     * Lets pods come to the node again, as far as it was a change of the driver that kept them away. Never fails.
     *
     * @param sure whether it was; false where nobody knows any more
     * @return false when that is to be tried again
     */
    boolean undrain(boolean sure) throws InterruptedException;
}
