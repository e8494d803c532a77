package io.gpunode.agent.os;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/**
 * POSIX signals of this process. The JDK's only door is {@code sun.misc.Signal}, in the module {@code jdk.unsupported}; it is reached by
 * reflection because the compiler forbids naming it where warnings are errors.
 */
public final class Signals {
    private Signals() {}

    /**
     * Calls the handler for each arrival of a signal, on a thread of the JVM's own; it must be quick and hand the work on. Replaces the JVM's
     * default, which for TERM, INT and HUP is to shut down.
     *
     * @param name without {@code SIG}: {@code TERM}, {@code INT}, {@code HUP}
     * @throws IllegalStateException when the runtime has no such door, or the signal is taken (a JVM started with {@code -Xrs})
     */
    @SuppressWarnings("ReferenceEquality") // a proxy is equal to itself only; asking its equals() would come back here
    public static void handle(String name, Runnable handler) {
        try {
            Class<?> signalType = Class.forName("sun.misc.Signal");
            Class<?> handlerType = Class.forName("sun.misc.SignalHandler");
            Object signal = signalType.getConstructor(String.class).newInstance(name);
            Object proxy = Proxy.newProxyInstance(
                    Signals.class.getClassLoader(), new Class<?>[] {handlerType}, (self, method, arguments) -> {
                        return switch (method.getName()) {
                            case "handle" -> {
                                handler.run();
                                yield null;
                            }
                            case "equals" -> arguments != null && self == arguments[0];
                            case "hashCode" -> System.identityHashCode(self);
                            default -> "handler of SIG" + name;
                        };
                    });
            signalType.getMethod("handle", signalType, handlerType).invoke(null, signal, proxy);
        } catch (InvocationTargetException e) {
            throw new IllegalStateException("SIG" + name + " cannot be handled: " + e.getCause(), e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(
                    "this Java runtime has no sun.misc.Signal: link it with the module jdk.unsupported", e);
        }
    }
}
