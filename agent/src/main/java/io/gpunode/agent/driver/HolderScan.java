package io.gpunode.agent.driver;

/** Finds who holds the driver. */
@FunctionalInterface
public interface HolderScan {
    /**
     * Looks at every process once. Takes some 10 ms for each 1,000 open files on the machine: for a person who asks, or a refused unload, not for every
     * round. Never fails: what could not be looked at is told in {@link HolderTable#blind}.
     *
     * @param modules what is loaded; references that nobody was found for are told by it
     */
    HolderTable scan(ModuleGraph modules);
}
