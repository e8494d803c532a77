package io.gpunode.nvml;

import java.nio.file.Path;
import java.util.Map;
import java.util.SortedSet;

/**
 * What is known of one opened library.
 *
 * @param path the absolute path it was opened by
 * @param nvmlVersion {@code nvmlSystemGetNVMLVersion}, for example {@code 12.580.65.06}
 * @param driverVersion {@code nvmlSystemGetDriverVersion}, for example {@code 580.65.06}
 * @param cudaDriverVersion {@code nvmlSystemGetCudaDriverVersion_v2}: major × 1000 + minor × 10; 0 when the library has no such call
 * @param generation counts openings in this process, from 1; handles of another generation are refused
 * @param variants for each call that exists in several versions, the symbol in use, for example {@code nvmlInit → nvmlInit_v2}
 * @param absent the symbols that the binding knows and this library does not export
 */
public record NvmlLibrary(
        Path path,
        String nvmlVersion,
        String driverVersion,
        int cudaDriverVersion,
        long generation,
        Map<String, String> variants,
        SortedSet<String> absent) {}
