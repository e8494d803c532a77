package io.gpunode.agent.process;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Asks another process again until it gives the wanted answer or the time is up. For processes that offer nothing to wait on. */
public final class Eventually {
    private Eventually() {}

    /** A condition with a text for the failure. */
    public interface Check extends Callable<String> {}

    /**
     * Repeats the check every 100 ms until it answers an empty text.
     *
     * @param check empty when all is well, else what is still missing
     */
    public static void within(Duration limit, Check check) throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        long deadline = System.nanoTime() + limit.toNanos();
        while (true) {
            String missing = check.call();
            if (missing.isEmpty()) {
                return;
            }
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError("after " + limit + " still: " + missing);
            }
            if (never.await(100, TimeUnit.MILLISECONDS)) {
                throw new IllegalStateException("nobody counts this down");
            }
        }
    }
}
