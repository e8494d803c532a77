package io.gpunode.agent.driver;

import java.util.List;

/** Where drivers come from. One thread at a time; the {@link DriverStore}'s lock sees to that across processes. */
public interface DriverSource {
    /**
     * Makes the wanted driver ready for a kernel: found in the store where it already is, else fetched, checked, unpacked, compiled and signed as far
     * as that is needed. Nothing of the running driver changes, and nothing is left behind when it fails.
     *
     * @param kernel the one that the driver is for: that which runs, or one that will
     * @param progress told on the caller's thread
     * @throws DriverSourceException when it cannot be had
     * @throws InterruptedException when the caller is to stop
     */
    StagedDriver stage(DriverWish wish, KernelFacts kernel, Progress progress)
            throws DriverSourceException, InterruptedException;

    /**
     * What is wrong with a driver that lay ready once, a line each; empty when it can be loaded. One that the distribution owns is wrong where another, or none, is
     * installed by now for the kernel that it ran with. Cheap enough for each change.
     *
     * @throws DriverSourceException when it cannot be looked at
     * @throws InterruptedException when the caller is to stop
     */
    default List<String> problems(StagedDriver driver) throws DriverSourceException, InterruptedException {
        return List.of();
    }
}
