package io.gpunode.nvml.simulator;

import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** A process of its own that loads the simulated library, waits for one event on GPU 0, prints what it saw and ends. */
final class OtherProcess implements AutoCloseable {
    private static final int WAIT_MILLISECONDS = 20_000;
    private static final long END_SECONDS = 20;

    private final Process process;
    private final BufferedReader output;

    OtherProcess(Path library, String mode) throws IOException {
        process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-cp",
                        System.getProperty("java.class.path"),
                        OtherProcess.class.getName(),
                        library.toString(),
                        mode)
                .redirectErrorStream(true)
                .start();
        output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    String nextLine() throws IOException {
        return Objects.requireNonNullElse(output.readLine(), "(ended)");
    }

    /** Lines up to the end, once the process has ended. */
    List<String> rest() throws InterruptedException {
        List<String> lines = output.lines().toList();
        if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("the other process did not end");
        }
        return lines;
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
        output.close();
    }

    public static void main(String[] arguments) {
        NativeLibrary library = NativeLibrary.getInstance(arguments[0]);
        library.getFunction("nvmlInit_v2").invokeInt(new Object[0]);
        Pointer device = NvmlSimulatorTest.device(library, 0);
        if (arguments[1].equals("temperature")) {
            Memory value = new Memory(4);
            library.getFunction("nvmlDeviceGetTemperature").invokeInt(new Object[] {device, 0, value});
            System.out.println("temperature " + value.getInt(0));
            library.getFunction("nvmlShutdown").invokeInt(new Object[0]);
            return;
        }
        if (arguments[1].equals("layout")) {
            StringBuilder layout = new StringBuilder("layout");
            for (int i = 0; i < 7; i++) {
                layout.append(' ')
                        .append(library.getFunction("nvmlDeviceGetMigDeviceHandleByIndex")
                                .invokeInt(new Object[] {device, i, new Memory(8)}));
            }
            System.out.println(layout);
            library.getFunction("nvmlShutdown").invokeInt(new Object[0]);
            return;
        }
        Memory set = new Memory(8);
        library.getFunction("nvmlEventSetCreate").invokeInt(new Object[] {set});
        Pointer handle = set.getPointer(0);
        library.getFunction("nvmlDeviceRegisterEvents").invokeInt(new Object[] {device, 8L, handle});
        System.out.println("waiting");
        Memory data = new Memory(32);
        int result =
                library.getFunction("nvmlEventSetWait_v2").invokeInt(new Object[] {handle, data, WAIT_MILLISECONDS});
        System.out.println("result " + result + " xid " + data.getLong(16));
        if (!arguments[1].equals("leak")) {
            library.getFunction("nvmlEventSetFree").invokeInt(new Object[] {handle});
        }
        library.getFunction("nvmlShutdown").invokeInt(new Object[0]);
    }
}
