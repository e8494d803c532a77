package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/** The MIG profiles of real boards, as their drivers list them, and what such a board has in all. */
@SuppressWarnings("ImmutableEnumChecker") // arrays and lists that nobody writes
enum MigChips {
    A30(
            4,
            new int[] {4, 0, 1, 1},
            "0 14 1g.6gb 1 4 1:0:0:0 1:1:3",
            "1 5 2g.12gb 2 2 2:0:0:0 2:2:2",
            "3 0 4g.24gb 4 1 4:0:1:1 4:4:0",
            "7 21 1g.6gb+me 1 1 1:0:1:1 1:1:3",
            "8 6 2g.12gb+me 2 1 2:0:1:1 2:2:2"),
    A100_40(
            7,
            new int[] {5, 0, 1, 1},
            "0 19 1g.5gb 1 7 0:0:0:0 1:1:6",
            "1 14 2g.10gb 2 3 1:0:0:0 2:2:4",
            "2 9 3g.20gb 3 2 2:0:0:0 4:4:4",
            "3 5 4g.20gb 4 1 2:0:0:0 4:4:0",
            "4 0 7g.40gb 7 1 5:0:1:1 8:8:0",
            "7 20 1g.5gb+me 1 1 1:0:1:1 1:1:6",
            "9 15 1g.10gb 1 4 1:0:0:0 2:2:6"),
    A100_80(
            7,
            new int[] {5, 0, 1, 1},
            "0 19 1g.10gb 1 7 0:0:0:0 1:1:6",
            "1 14 2g.20gb 2 3 1:0:0:0 2:2:4",
            "2 9 3g.40gb 3 2 2:0:0:0 4:4:4",
            "3 5 4g.40gb 4 1 2:0:0:0 4:4:0",
            "4 0 7g.80gb 7 1 5:0:1:1 8:8:0",
            "7 20 1g.10gb+me 1 1 1:0:1:1 1:1:6",
            "9 15 1g.20gb 1 4 1:0:0:0 2:2:6"),
    H100(7, new int[] {7, 0, 7, 1}, hopper("10", "20", "40", "40", "80")),
    H200(7, new int[] {7, 0, 7, 1}, hopper("18", "35", "71", "71", "141")),
    B200(7, new int[] {7, 0, 7, 1}, hopper("23", "45", "90", "90", "180")),
    RTX_PRO_6000(
            4,
            new int[] {4, 4, 4, 1},
            "0 14 1g.24gb 1 4 1:1:1:0 1:1:3",
            "1 5 2g.48gb 2 2 2:2:2:0 2:2:2",
            "3 0 4g.96gb 4 1 4:4:4:1 4:4:0",
            "7 21 1g.24gb+me 1 1 1:1:1:1 1:1:3",
            "10 47 1g.24gb+gfx 1 4 1:1:1:0 1:1:3",
            "11 35 2g.48gb+gfx 2 2 2:2:2:0 2:2:2",
            "12 32 4g.96gb+gfx 4 1 4:4:4:1 4:4:0",
            "13 67 1g.24gb-me 1 4 0:0:0:0 1:1:3",
            "14 66 2g.48gb-me 2 2 0:0:0:0 2:2:2",
            "15 65 1g.24gb+me.all 1 1 4:4:4:1 1:1:3",
            "16 64 2g.48gb+me.all 2 1 4:4:4:1 2:2:2");

    /** Compute slices of the whole board. */
    final int slices;
    /** Decoders, encoders, JPEG engines and optical flow engines of the whole board. */
    final int[] engines;

    final List<MigProfile> profiles;

    /** Each row: constant, id, name, slices, instances, engines, memory size:step:last start. */
    MigChips(int slices, int[] engines, String... rows) {
        this.slices = slices;
        this.engines = engines;
        this.profiles = List.of(rows).stream().map(MigChips::profile).toList();
    }

    private static String[] hopper(String one, String two, String three, String four, String seven) {
        return new String[] {
            "0 19 1g." + one + "gb 1 7 1:0:1:0 1:1:6",
            "1 14 2g." + two + "gb 2 3 2:0:2:0 2:2:4",
            "2 9 3g." + three + "gb 3 2 3:0:3:0 4:4:4",
            "3 5 4g." + four + "gb 4 1 4:0:4:0 4:4:0",
            "4 0 7g." + seven + "gb 7 1 7:0:7:1 8:8:0",
            "7 20 1g." + one + "gb+me 1 1 1:0:1:1 1:1:6",
            "9 15 1g." + two + "gb 1 4 1:0:1:0 2:2:6"
        };
    }

    private static MigProfile profile(String row) {
        String[] words = row.split(" ", -1);
        int[] engines = numbers(words[5]);
        int[] places = numbers(words[6]);
        int slices = Integer.parseInt(words[3]);
        List<MigPlacement> placements = new ArrayList<>();
        for (int start = 0; start <= places[2]; start += places[1]) {
            placements.add(new MigPlacement(start, places[0]));
        }
        return new MigProfile(
                Integer.parseInt(words[0]),
                Integer.parseInt(words[1]),
                words[2],
                "",
                slices,
                Integer.parseInt(words[4]),
                new MigAttributes(slices * 14, slices, engines[0], engines[1], engines[2], engines[3]),
                places[0] * 10_000L,
                placements,
                computeProfiles(slices));
    }

    private static List<MigProfile.Compute> computeProfiles(int slices) {
        List<MigProfile.Compute> all = new ArrayList<>();
        int[] sizes = {1, 2, 3, 4, 7};
        for (int id = 0; id < sizes.length; id++) {
            int size = sizes[id];
            if (size == slices || (size < slices && 2 * size <= slices + 1)) {
                List<MigPlacement> places = new ArrayList<>();
                for (int start = 0; start + size <= slices; start += size == 3 ? 4 : size) {
                    places.add(new MigPlacement(start, size));
                }
                all.add(new MigProfile.Compute(id, size, places.size(), places));
            }
        }
        return all;
    }

    private static int[] numbers(String text) {
        return List.of(text.split(":", -1)).stream().mapToInt(Integer::parseInt).toArray();
    }

    /** The profile of this name. */
    MigProfile named(String name) {
        return profiles.stream()
                .filter(profile -> profile.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    int architecture() {
        return switch (this) {
            case A30, A100_40, A100_80 -> 7;
            case H100, H200 -> 9;
            case B200, RTX_PRO_6000 -> 10;
        };
    }

    /** A GPU of this kind that is split like this. */
    MigGpu gpu(int index, MigGeometry geometry) {
        return gpu(index, geometry, false);
    }

    MigGpu gpu(int index, MigGeometry geometry, boolean passThrough) {
        return new MigGpu(
                new GpuId("GPU-" + index),
                index,
                new PciAddress(0, 16 + index, 0, 0),
                "NVIDIA " + name(),
                0x233010DE,
                0x16C110DE,
                OptionalInt.of(architecture()),
                Reading.of(passThrough),
                Reading.of(geometry),
                Reading.of(profiles));
    }
}
