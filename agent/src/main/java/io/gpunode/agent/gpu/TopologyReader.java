package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Topology;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads how GPUs are connected. What a GPU does not answer stays unknown; it never costs the others theirs. */
final class TopologyReader {
    /** {@code NVML_NVLINK_MAX_LINKS}; the loop ends at the first link that a GPU does not have. */
    private static final int LINK_LIMIT = 36;

    private static final int UNKNOWN = -1;
    private static final int REMOTE_IS_SWITCH = 2;
    /** {@code NVML_P2P_CAPS_INDEX_NVLINK}. */
    private static final int OVER_NVLINK = 2;

    private final Nvml nvml;
    private final Lane lane;

    TopologyReader(Nvml nvml, Lane lane) {
        this.nvml = nvml;
        this.lane = lane;
    }

    /** A row of the topology; the handle is null while the GPU does not answer. */
    record Member(GpuId id, PciAddress pci, @Nullable NvmlDevice device) {}

    Topology read(List<Member> members) {
        int count = members.size();
        int[][] ancestor = new int[count][count];
        int[][] links = new int[count][count];
        boolean[] toSwitch = new boolean[count];
        int[][] peers = new int[count][count];
        Map<Long, Integer> rowOf = new HashMap<>();
        List<GpuId> ids = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            Arrays.fill(ancestor[i], UNKNOWN);
            Arrays.fill(peers[i], UNKNOWN);
            rowOf.put(busAddress(members.get(i).pci()), i);
            ids.add(members.get(i).id());
        }
        for (int i = 0; i < count; i++) {
            for (int j = i + 1; j < count; j++) {
                int level = ancestor(members.get(i).device(), members.get(j).device());
                ancestor[i][j] = level;
                ancestor[j][i] = level;
                peers[i][j] = peerStatus(members.get(i).device(), members.get(j).device());
                peers[j][i] = peerStatus(members.get(j).device(), members.get(i).device());
            }
            toSwitch[i] = readLinks(i, members.get(i).device(), rowOf, links);
        }
        return new Topology(ids, ancestor, links, toSwitch, peers);
    }

    /** Domain, bus and device as one number: a switch may give an address that a {@link PciAddress} would refuse. */
    private static long busAddress(Nvml.PciInfo pci) {
        return busAddress(pci.domain(), pci.bus(), pci.device());
    }

    private static long busAddress(PciAddress pci) {
        return busAddress(pci.domain(), pci.bus(), pci.device());
    }

    private static long busAddress(int domain, int bus, int device) {
        return (long) domain << 16 | (bus & 0xff) << 8 | (device & 0xff);
    }

    private int ancestor(@Nullable NvmlDevice first, @Nullable NvmlDevice second) {
        if (first == null || second == null) {
            return UNKNOWN;
        }
        try {
            return call("nvmlDeviceGetTopologyCommonAncestor", () -> nvml.commonAncestor(first, second));
        } catch (NvmlException e) {
            return UNKNOWN;
        }
    }

    private int peerStatus(@Nullable NvmlDevice from, @Nullable NvmlDevice to) {
        if (from == null || to == null) {
            return UNKNOWN;
        }
        try {
            return call("nvmlDeviceGetP2PStatus", () -> nvml.p2pStatus(from, to, OVER_NVLINK));
        } catch (NvmlException e) {
            return UNKNOWN;
        }
    }

    /** Counts the links of one row; true when one of them ends at an NVSwitch. */
    private boolean readLinks(int row, @Nullable NvmlDevice device, Map<Long, Integer> rowOf, int[][] links) {
        boolean toSwitch = false;
        if (device == null) {
            return false;
        }
        for (int i = 0; i < LINK_LIMIT; i++) {
            int link = i;
            try {
                if (!call("nvmlDeviceGetNvLinkState", () -> nvml.nvLinkActive(device, link))) {
                    continue;
                }
                toSwitch |= endsAtSwitch(device, link);
                Nvml.PciInfo remote =
                        call("nvmlDeviceGetNvLinkRemotePciInfo", () -> nvml.nvLinkRemotePci(device, link));
                Integer other = rowOf.get(busAddress(remote));
                if (other != null && other != row) {
                    links[row][other]++;
                }
            } catch (NvmlException e) {
                if (noSuchLink(e)) {
                    return toSwitch;
                }
            }
        }
        return toSwitch;
    }

    private boolean endsAtSwitch(NvmlDevice device, int link) {
        try {
            return call("nvmlDeviceGetNvLinkRemoteDeviceType", () -> nvml.nvLinkRemoteType(device, link))
                    == REMOTE_IS_SWITCH;
        } catch (NvmlException e) {
            return false;
        }
    }

    /** The GPU has no NVLink, no link of this number, or does not answer at all: the next number would say the same. */
    private static boolean noSuchLink(NvmlException e) {
        return e.is(NvmlReturn.INVALID_ARGUMENT) || ReturnMeaning.of(e.code()) != ReturnMeaning.TRANSIENT;
    }

    private <T> T call(String function, Lane.NativeCall<T> call) throws NvmlException {
        return lane.call(CallGroup.TOPOLOGY, function, call);
    }
}
