package io.gpunode.agent.driver;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;

/** Makes {@code .run} files as makeself 1.6.0-nv2 does, around content of our own: the same settings in the same order, lines and checksums. */
final class Runfiles {
    static final String VERSION = "570.86.15";

    private final Map<String, byte[]> content = new LinkedHashMap<>();
    private final List<String> manifest = new ArrayList<>();
    private String version = VERSION;
    private String machine = "x86_64";
    private byte[] decompressor = new byte[0];

    /** A driver with libraries, firmware and the sources of both types, small. */
    static Runfiles driver() {
        Runfiles run = new Runfiles();
        run.file("libnvidia-ml.so." + VERSION, "0755", "CUDA_LIB NATIVE / MODULE:nvml", "nvml");
        run.link("libnvidia-ml.so.1", "CUDA_SYMLINK NATIVE / libnvidia-ml.so." + VERSION + " MODULE:nvml");
        run.file("libcuda.so." + VERSION, "0755", "CUDA_LIB NATIVE / MODULE:gpgpu", "cuda");
        run.file("32/libcuda.so." + VERSION, "0755", "CUDA_LIB COMPAT32 / MODULE:gpgpu", "cuda32");
        run.file("nvidia-smi", "0755", "UTILITY_BINARY MODULE:nvml", "#!/bin/sh\n");
        run.file("nvidia-persistenced", "0755", "UTILITY_BINARY MODULE:nvpd", "#!/bin/sh\n");
        run.file("firmware/gsp_ga10x.bin", "0644", "FIRMWARE INHERIT_PATH_DEPTH:1 MODULE:resman", "gsp");
        run.file("html/index.html", "0644", "DOCUMENTATION NVIDIA_GLX-1.0/html MODULE:installer", "<html>");
        run.file("nvidia-modprobe", "04755", "NVIDIA_MODPROBE /usr/bin MODULE:installer", "#!/bin/sh\n");
        for (String directory : List.of("kernel", "kernel-open")) {
            String licence = directory.equals("kernel") ? "NVIDIA" : "Dual MIT/GPL";
            run.source(directory + "/Kbuild", "obj-m += nvidia.o\n");
            run.source(directory + "/Makefile", "modules:\n\t@true\n");
            run.source(directory + "/nvidia/nv.c", "MODULE_LICENSE(\"" + licence + "\");\n");
        }
        return run;
    }

    /** Without the sources of the open modules, as in drivers before 515. */
    Runfiles withoutOpenModules() {
        content.keySet().removeIf(path -> path.startsWith("kernel-open/"));
        manifest.removeIf(line -> line.startsWith("kernel-open/"));
        return this;
    }

    Runfiles version(String newVersion) {
        version = newVersion;
        return this;
    }

    Runfiles machine(String newMachine) {
        machine = newMachine;
        return this;
    }

    Runfiles decompressor(byte[] program) {
        decompressor = program;
        return this;
    }

    Runfiles file(String path, String mode, String words, String text) {
        content.put(path, text.getBytes(StandardCharsets.UTF_8));
        manifest.add(path + " " + mode + " " + words);
        return this;
    }

    Runfiles link(String path, String words) {
        manifest.add(path + " 0000 " + words);
        return this;
    }

    Runfiles source(String path, String text) {
        return file(path, "0644", "KERNEL_MODULE_SRC INHERIT_PATH_DEPTH:1 MODULE:resman", text);
    }

    /** A line of the manifest without a file. */
    Runfiles line(String line) {
        manifest.add(line);
        return this;
    }

    /** The archive, plain. */
    byte[] tar() {
        Tars tar = new Tars();
        tar.directory("./");
        tar.file("./.manifest", manifestText().getBytes(StandardCharsets.UTF_8), 0644);
        content.forEach((path, bytes) -> tar.file("./" + path, bytes, path.contains("nvidia-smi") ? 0755 : 0644));
        return tar.bytes();
    }

    String manifestText() {
        List<String> lines = new ArrayList<>(List.of(
                "NVIDIA Accelerated Graphics Driver for Linux-" + machine,
                version,
                " ",
                "nvidia nvidia-uvm nvidia-modeset nvidia-drm ",
                " ",
                " ",
                "./kernel/",
                "./kernel/precompiled/"));
        lines.addAll(manifest);
        return String.join("\n", lines) + "\n";
    }

    /** The whole file, compressed by gzip. */
    byte[] bytes() throws IOException {
        ByteArrayOutputStream payload = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(payload)) {
            gzip.write(tar());
        }
        return bytes(payload.toByteArray());
    }

    /** The whole file around a compressed archive. */
    byte[] bytes(byte[] payload) {
        String stub = """
                #! /bin/sh
                CRCsum=0000000000
                MD5=00000000000000000000000000000000
                skip=__SKIP__
                skip_decompress=__SKIP_DECOMPRESS__
                size_decompress=__SIZE_DECOMPRESS__
                label="NVIDIA Accelerated Graphics Driver for Linux-%2$s %1$s"
                version_string=%1$s
                pkg_version=0
                script=./nvidia-installer
                targetdir=NVIDIA-Linux-%2$s-%1$s
                scriptargs=""
                keep=n
                add_this_kernel=n
                apply_patch=n
                TMPROOT=${TMPDIR:=/tmp}
                TARGET_OS="Linux"
                TARGET_ARCH="%2$s"

                if [ "$1" = "--info" ]; then
                    echo "  Identification    : $label"
                    echo "  Uncompressed size : 64 KB"
                    echo "  Compression       : gzip"
                    exit 0;
                fi
                touch /run-must-never-be-started
                exit 1
                END_OF_STUB
                """.formatted(version, machine);
        int skipDecompress = stub.split("\n", -1).length;
        byte[] program = decompressor.length == 0 ? new byte[0] : concat(decompressor, new byte[] {'\n'});
        int sizeDecompress = 0;
        for (byte b : program) {
            sizeDecompress += b == '\n' ? 1 : 0;
        }
        byte[] head = stub.replace("__SKIP__", String.valueOf(skipDecompress + sizeDecompress))
                .replace("__SKIP_DECOMPRESS__", String.valueOf(skipDecompress))
                .replace("__SIZE_DECOMPRESS__", String.valueOf(sizeDecompress))
                .getBytes(StandardCharsets.US_ASCII);
        byte[] all = concat(concat(head, program), payload);
        int fourth = 0;
        for (int line = 1; line < 4; fourth++) {
            line += all[fourth] == '\n' ? 1 : 0;
        }
        PosixChecksum crc = new PosixChecksum();
        crc.update(all, fourth, all.length - fourth);
        MessageDigest md5 = md5();
        md5.update(all, fourth, all.length - fourth);
        byte[] first = ("#! /bin/sh\nCRCsum=" + crc.getValue() + "\nMD5="
                        + HexFormat.of().formatHex(md5.digest()) + "\n")
                .getBytes(StandardCharsets.US_ASCII);
        byte[] rest = new byte[all.length - fourth];
        System.arraycopy(all, fourth, rest, 0, rest.length);
        return concat(first, rest);
    }

    private static MessageDigest md5() {
        try {
            return MessageDigest.getInstance("MD5");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] concat(byte[] first, byte[] second) {
        byte[] all = new byte[first.length + second.length];
        System.arraycopy(first, 0, all, 0, first.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }
}
