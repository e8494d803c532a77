package io.gpunode.agent.inventory;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.Topology;
import java.util.Arrays;
import java.util.List;

/** Brings a topology into the order of the picture. Pure. */
final class Topologies {
    private Topologies() {}

    /** The same connections in another order; what the topology does not hold is unknown. */
    static Topology ordered(Topology read, List<GpuId> order) {
        if (read.gpus().equals(order)) {
            return read;
        }
        int count = order.size();
        int[][] ancestor = new int[count][count];
        int[][] links = new int[count][count];
        boolean[] toSwitch = new boolean[count];
        int[][] peers = new int[count][count];
        for (int i = 0; i < count; i++) {
            Arrays.fill(ancestor[i], -1);
            Arrays.fill(peers[i], -1);
            int row = read.gpus().indexOf(order.get(i));
            if (row < 0) {
                continue;
            }
            toSwitch[i] = read.nvSwitch()[row];
            for (int j = 0; j < count; j++) {
                int column = read.gpus().indexOf(order.get(j));
                if (column >= 0) {
                    ancestor[i][j] = read.ancestor()[row][column];
                    links[i][j] = read.nvLinks()[row][column];
                    peers[i][j] = read.peerStatus()[row][column];
                }
            }
        }
        return new Topology(order, ancestor, links, toSwitch, peers);
    }
}
