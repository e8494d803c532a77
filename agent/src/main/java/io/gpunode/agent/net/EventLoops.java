package io.gpunode.agent.net;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.TimeUnit;

/**
 * An event loop: one that all gRPC servers and clients of the process share, and one of the HTTP listener. One thread each, so what runs on a loop needs
 * no locks among itself, and must never block.
 *
 * <p>Opening the first one sets those of Netty's system properties that have to be set before Netty's classes load, unless the command line
 * has set them. Nobody may touch a Netty class before that.
 */
public final class EventLoops implements AutoCloseable {
    private static final long CLOSE_LIMIT_MILLIS = 2_000;

    private final EventLoopGroup group;

    private EventLoops(EventLoopGroup group) {
        this.group = group;
    }

    /**
     * Starts a loop; its thread starts with its first work.
     *
     * @param threadName of its daemon thread
     * @throws IllegalStateException when Netty's native epoll library cannot be loaded; says why
     */
    public static EventLoops open(String threadName) {
        prepareNetty();
        if (!Epoll.isAvailable()) {
            throw new IllegalStateException(
                    "Netty's epoll library cannot be loaded, and unix sockets need it; it is unpacked to java.io.tmpdir ("
                            + System.getProperty("java.io.tmpdir")
                            + "), which must not be mounted noexec, unless -Djava.library.path names its directory",
                    Epoll.unavailabilityCause());
        }
        return new EventLoops(new MultiThreadIoEventLoopGroup(
                1, new DefaultThreadFactory(threadName, true), EpollIoHandler.newFactory()));
    }

    /** The loop, as Netty's and gRPC's builders want it. */
    public EventLoopGroup group() {
        return group;
    }

    /** The loop itself: executor and timer of what is owned by it. */
    public EventLoop loop() {
        return group.next();
    }

    /** Ends the thread; what is still open on it is closed. Waits 2 s at most. */
    @Override
    public void close() {
        group.shutdownGracefully(0, CLOSE_LIMIT_MILLIS, TimeUnit.MILLISECONDS)
                .awaitUninterruptibly(CLOSE_LIMIT_MILLIS, TimeUnit.MILLISECONDS);
    }

    /** One arena with small chunks, shared by gRPC and HTTP: there is one thread, and its messages are some kilobytes. */
    private static void prepareNetty() {
        setDefault("io.netty.allocator.type", "pooled");
        setDefault("io.grpc.netty.useCustomAllocator", "false");
        setDefault("io.netty.allocator.numHeapArenas", "1");
        setDefault("io.netty.allocator.numDirectArenas", "1");
        setDefault("io.netty.allocator.maxOrder", "5");
        setDefault("io.netty.allocator.useCacheForAllThreads", "false");
        // Both would scan the machine (network interfaces, process table) for numbers that nobody asks for.
        setDefault("io.netty.machineId", "00:00:00:00:00:00:00:00");
        setDefault("io.netty.processId", Long.toString(ProcessHandle.current().pid() & 0x3fffff));
    }

    private static void setDefault(String key, String value) {
        if (System.getProperty(key) == null) {
            System.setProperty(key, value);
        }
    }
}
