package io.gpunode.agent.os;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** The modules of the running kernel. Any thread; loading and unloading block, and are for one caller at a time. */
public interface KernelModules {
    /** Lines of the kernel's log that an outcome carries at most. */
    int MOST_LOG_LINES = 40;

    /**
     * All modules that are in the kernel, in the kernel's order (newest first). Modules that are built into it are not among them.
     *
     * @throws IOException when the kernel does not tell; a kernel without modules has none
     */
    List<LoadedModule> loaded() throws IOException;

    /**
     * The parameters of a loaded module that the kernel shows, sorted by name; those that may not be read are left out. Empty when it is not loaded.
     *
     * @throws IOException when they cannot be listed
     */
    Map<String, String> parameters(String module) throws IOException;

    /**
     * Puts a module into the kernel and waits until it is live. One that is on its way in or out is waited for first.
     *
     * @param limit for all of it
     * @throws InterruptedException when the caller is to stop; the program is killed, and whether the module is loaded is to be looked at
     */
    ModuleOutcome load(ModuleToLoad module, Duration limit) throws InterruptedException;

    /**
     * Takes a module out of the kernel. Never forced: what is in use stays. One that is on its way in or out is waited for first.
     *
     * @param limit for all of it
     * @throws InterruptedException as with {@link #load}
     */
    ModuleOutcome unload(String module, Duration limit) throws InterruptedException;
}
