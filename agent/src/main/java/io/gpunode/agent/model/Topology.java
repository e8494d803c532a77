package io.gpunode.agent.model;

import java.util.Arrays;
import java.util.List;

/**
 * How the GPUs of a picture are connected. Rows and columns follow the order of {@link NodeSnapshot#gpus()}.
 *
 * @param gpus the order of rows and columns
 * @param ancestor NVML's common-ancestor level of each pair: 0, 10, 20, 30, 40, 50; -1 where it could not be read; -1 on the diagonal
 * @param nvLinks number of direct active NVLinks of each pair
 * @param nvSwitch per GPU, whether its links end at an NVSwitch
 * @param peerStatus NVML's word ({@code nvmlGpuP2PStatus_t}) on whether the row's GPU reaches the column's memory over NVLink: 0 when it does; -1
 *     where it could not be read, and on the diagonal
 */
public record Topology(List<GpuId> gpus, int[][] ancestor, int[][] nvLinks, boolean[] nvSwitch, int[][] peerStatus) {
    /** No GPUs, no pairs. */
    public static final Topology EMPTY = new Topology(List.of(), new int[0][0], new int[0][0], new boolean[0]);

    public Topology {
        gpus = List.copyOf(gpus);
    }

    /** A topology of which nobody asked who reaches whose memory. */
    public Topology(List<GpuId> gpus, int[][] ancestor, int[][] nvLinks, boolean[] nvSwitch) {
        this(gpus, ancestor, nvLinks, nvSwitch, unknown(gpus.size()));
    }

    private static int[][] unknown(int count) {
        int[][] matrix = new int[count][count];
        for (int[] row : matrix) {
            Arrays.fill(row, -1);
        }
        return matrix;
    }
}
