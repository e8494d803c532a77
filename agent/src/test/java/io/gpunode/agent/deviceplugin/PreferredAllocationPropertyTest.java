package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Topology;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Snapshots;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.IntBinaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What holds of every answer for whole GPUs, on nodes of many kinds: for every subset that is available, every size, and required subsets (all
 * of them where there are few GPUs, drawn from a seed where there are many).
 */
@Timeout(60)
class PreferredAllocationPropertyTest {
    /** The NVLinks of a DGX-1 with V100: a cube mesh. */
    private static final int[][] CUBE_MESH = {
        {0, 1, 1, 2, 2, 0, 0, 0},
        {1, 0, 2, 1, 0, 2, 0, 0},
        {1, 2, 0, 2, 0, 0, 1, 0},
        {2, 1, 2, 0, 0, 0, 0, 1},
        {2, 0, 0, 0, 0, 1, 1, 2},
        {0, 2, 0, 0, 1, 0, 2, 1},
        {0, 0, 1, 0, 1, 2, 0, 2},
        {0, 0, 0, 1, 2, 1, 2, 0}
    };

    /** Questions for a node that has too many subsets to ask for each. */
    private static final int DRAWN = 600;
    /** More would take the published algorithm too long. */
    private static final int MOST_PARTITIONS = 300;

    /** A node with a name for the report. */
    record Node(String name, Snapshots snapshots) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Node> nodes() {
        return Stream.concat(
                comparableNodes(),
                Stream.of(
                        new Node("no level could be read", levels(6, -1)),
                        new Node("some levels could not be read", levels(6, 3)),
                        new Node("nothing is known", Snapshots.pcie(4).topology(Topology.EMPTY)),
                        new Node("20 GPUs behind PCIe", Snapshots.pcie(20))));
    }

    /** Those that the published algorithm has an answer for. */
    static Stream<Node> comparableNodes() {
        return Stream.of(
                new Node("one GPU", Snapshots.t4()),
                new Node("NVSwitch, two sockets", Snapshots.h100x8()),
                new Node("cube mesh", linked(8, (a, b) -> CUBE_MESH[a][b])),
                new Node("PCIe only, two sockets", Snapshots.pcie(8)),
                new Node("PCIe only, an odd number", Snapshots.pcie(5)),
                new Node("pairs with bridges across PCIe switches", linked(8, (a, b) -> (a ^ b) == 5 ? 4 : 0)),
                new Node("one bridge and the others on their own", linked(4, (a, b) -> a + b == 5 && a != b ? 4 : 0)),
                new Node("links in one direction", linked(6, (a, b) -> a < b && a + 3 == b ? 12 : 0)),
                new Node("directions that disagree", linked(6, (a, b) -> a + 3 == b ? 12 : b + 3 == a ? 2 : 0)),
                new Node("16 GPUs behind PCIe", Snapshots.pcie(16)),
                new Node(
                        "16 GPUs with NVLink rings",
                        linked(16, (a, b) -> Math.floorMod(a - b, 4) % 2 == 1 && a / 4 == b / 4 ? 2 : 0)));
    }

    @ParameterizedTest
    @MethodSource("nodes")
    void everyAnswerIsValidAndDoesNotDependOnTheOrder(Node node) {
        AdvertisedDevices devices = devices(node);
        Random random = new Random(7);
        for (Question question : questions(devices.devices().size(), random)) {
            // Given
            List<String> available = question.ids(devices, question.available());
            List<String> required = question.ids(devices, question.required());

            // When
            List<String> chosen = choose(devices, available, required, question.size());

            // Then
            assertThat(chosen)
                    .as("%s of %s", question, node)
                    .hasSize(question.size())
                    .doesNotHaveDuplicates()
                    .isSubsetOf(available)
                    .containsAll(required);
            Collections.shuffle(available, random);
            Collections.shuffle(required, random);
            assertThat(choose(devices, available, required, question.size())).isEqualTo(chosen);
        }
    }

    @ParameterizedTest
    @MethodSource("comparableNodes")
    void noAnswerIsWorseThanThatOfThePublishedAlgorithm(Node node) {
        AdvertisedDevices devices = devices(node);
        int[][] scores = PublishedAlgorithm.scores(node.snapshots().build().topology());
        Random random = new Random(8);
        for (Question question : questions(devices.devices().size(), random)) {
            if (question.tooManyPartitions()) {
                continue;
            }
            // Given
            List<Integer> order = question.members(question.available());
            Collections.shuffle(order, random);
            int published = PublishedAlgorithm.choose(scores, order, question.required(), question.size());

            // When
            int chosen = mask(
                    devices,
                    choose(
                            devices,
                            question.ids(devices, question.available()),
                            question.ids(devices, question.required()),
                            question.size()));

            // Then
            assertThat(value(scores, chosen, question))
                    .as("%s of %s: chosen %s, published %s", question, node, bits(chosen), bits(published))
                    .isGreaterThanOrEqualTo(value(scores, published, question));
        }
    }

    @ParameterizedTest
    @MethodSource("comparableNodes")
    void oneGpuIsTakenWhereItDoesTheLeastDamage(Node node) {
        AdvertisedDevices devices = devices(node);
        int[][] scores = PublishedAlgorithm.scores(node.snapshots().build().topology());
        for (Question question : questions(devices.devices().size(), new Random(9))) {
            if (question.size() != 1 || question.required() != 0 || question.available() > 0xff) {
                continue;
            }

            // When
            int chosen = mask(devices, choose(devices, question.ids(devices, question.available()), List.of(), 1));

            // Then
            for (int other : question.members(question.available())) {
                assertThat(worth(scores, question.available() & ~chosen))
                        .as("%s of %s: chosen %s rather than %s", question, node, bits(chosen), other)
                        .isGreaterThanOrEqualTo(worth(scores, question.available() & ~(1 << other)));
            }
        }
    }

    /** How well pairs, fours and eights of a set can be connected, a mean pair of each counting the same. */
    private static long worth(int[][] scores, int set) {
        int members = Integer.bitCount(set);
        return (members < 2 ? 0 : 84L * PublishedAlgorithm.bestPartition(scores, set, 2))
                + (members < 4 ? 0 : 14L * PublishedAlgorithm.bestPartition(scores, set, 4));
    }

    /** The value of the best partition that the set can be part of, then that of the set itself; nothing for one GPU, which has no pairs. */
    private static long value(int[][] scores, int set, Question question) {
        int rest = question.available() & ~set;
        if (question.size() == 1) {
            return 0;
        }
        int own = PublishedAlgorithm.sum(scores, set);
        long whole = (long) own + PublishedAlgorithm.bestPartition(scores, rest, question.size());
        return (whole << 32) + own;
    }

    /** One call of the kubelet: masks of GPUs, and how many. */
    private record Question(int available, int required, int size) {
        boolean tooManyPartitions() {
            return PublishedAlgorithm.partitions(Integer.bitCount(available), size) > MOST_PARTITIONS;
        }

        List<Integer> members(int mask) {
            List<Integer> members = new ArrayList<>();
            for (int left = mask; left != 0; left &= left - 1) {
                members.add(Integer.numberOfTrailingZeros(left));
            }
            return members;
        }

        List<String> ids(AdvertisedDevices devices, int mask) {
            List<String> ids = new ArrayList<>();
            members(mask).forEach(place -> ids.add(devices.devices().get(place).id()));
            return ids;
        }

        @Override
        public String toString() {
            return size + " of " + bits(available) + " with " + bits(required);
        }
    }

    private static List<Question> questions(int gpus, Random random) {
        List<Question> questions = new ArrayList<>();
        if (gpus <= 8) {
            for (int available = 1; available < 1 << gpus; available++) {
                for (int size = 1; size <= Integer.bitCount(available); size++) {
                    questions.add(new Question(available, 0, size));
                    addWithRequired(questions, available, size, random);
                }
            }
        } else {
            for (int i = 0; i < DRAWN; i++) {
                int available = 1 + random.nextInt((1 << gpus) - 1);
                int size = 1 + random.nextInt(Integer.bitCount(available));
                questions.add(new Question(available, 0, size));
                addWithRequired(questions, available, size, random);
            }
        }
        return questions;
    }

    private static void addWithRequired(List<Question> questions, int available, int size, Random random) {
        int required = available & random.nextInt() & random.nextInt();
        if (required != 0 && Integer.bitCount(required) <= size) {
            questions.add(new Question(available, required, size));
        }
    }

    private static String bits(int mask) {
        return Integer.toBinaryString(mask);
    }

    private static int mask(AdvertisedDevices devices, List<String> ids) {
        int mask = 0;
        for (String id : ids) {
            mask |= 1 << devices.placeOf(id);
        }
        return mask;
    }

    private static List<String> choose(
            AdvertisedDevices devices, List<String> available, List<String> required, int size) {
        return PreferredAllocation.choose(devices, available, required, size, HeldDevices.UNKNOWN);
    }

    private static AdvertisedDevices devices(Node node) {
        return new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")))
                .update(node.snapshots().build(), CdiCoverage.NONE)
                .getFirst();
    }

    private static Snapshots linked(int count, IntBinaryOperator linksBetween) {
        return Snapshots.pcie(count).nvLinks(matrix(count, linksBetween));
    }

    /** Every {@code unreadable}-th level is missing; all of them when it is negative. */
    private static Snapshots levels(int count, int unreadable) {
        Snapshots node = Snapshots.pcie(count);
        Topology known = node.build().topology();
        int[][] ancestor =
                matrix(count, (a, b) -> unreadable < 0 || (a + b) % unreadable == 0 ? -1 : known.ancestor()[a][b]);
        return node.topology(new Topology(known.gpus(), ancestor, known.nvLinks(), known.nvSwitch()));
    }

    private static int[][] matrix(int count, IntBinaryOperator value) {
        int[][] matrix = new int[count][count];
        for (int a = 0; a < count; a++) {
            for (int b = 0; b < count; b++) {
                matrix[a][b] = a == b ? 0 : value.applyAsInt(a, b);
            }
        }
        return matrix;
    }
}
