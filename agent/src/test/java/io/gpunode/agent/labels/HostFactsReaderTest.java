package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.labels.HostFacts.Vgpu;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reads a host that lies below a folder. */
@Timeout(10)
class HostFactsReaderTest {
    private static final String MACHINE_FILE = "/sys/class/dmi/id/product_name";

    @TempDir
    Path root;

    private HostFactsReader reader;

    @BeforeEach
    void make() {
        reader = new HostFactsReader(new SystemHostFiles(root));
    }

    // --- machine

    @Test
    void theMachineIsWhatItsFileSays() {
        // Given
        write(MACHINE_FILE, " NVIDIA DGX H100 \n");

        // When
        HostFacts facts = reader.read(MACHINE_FILE);

        // Then
        assertThat(facts.machine()).isEqualTo("NVIDIA DGX H100");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", MACHINE_FILE, "/sys", "relative/path", "/a/../b", "/\0"})
    void aMachineWhoseFileCannotBeReadIsUnknown(String file) throws IOException {
        // Given
        Files.createDirectories(root.resolve("sys"));

        // When
        HostFacts facts = reader.read(file);

        // Then
        assertThat(facts.machine()).isEqualTo(HostFacts.UNKNOWN_MACHINE);
    }

    @Test
    void aMachineFileThatIsTooLongIsNotRead() {
        // Given
        write(MACHINE_FILE, "x".repeat(5_000));

        // When
        HostFacts facts = reader.read(MACHINE_FILE);

        // Then
        assertThat(facts.machine()).isEqualTo(HostFacts.UNKNOWN_MACHINE);
    }

    // --- the bus

    @Test
    void aHostWithoutAPciBusSaysNothingOfIt() {
        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isInstanceOf(Reading.Unsupported.class);
        assertThat(facts.vgpu()).isInstanceOf(Reading.Unsupported.class);
    }

    @Test
    void devicesOfOtherVendorsAreNotLookedAt() {
        // Given
        write("/sys/bus/pci/devices/0000:00:01.0/vendor", "0x8086\n");

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isEqualTo(Reading.of(false));
        assertThat(facts.vgpu()).isEqualTo(Reading.of(Optional.empty()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0x030000", "0x030200"})
    void aDisplayControllerOfNvidiaIsAGpu(String pciClass) {
        // Given
        device("0000:3b:00.0", pciClass, new byte[256]);

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isEqualTo(Reading.of(true));
        assertThat(facts.vgpu()).isEqualTo(Reading.of(Optional.empty()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0x068000", "0x040300", "0x020000", "0x030100"})
    void otherDevicesOfNvidiaAreNone(String pciClass) {
        // Given: an NVSwitch, an audio function, a network card
        device("0000:3b:00.0", pciClass, new byte[256]);

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isEqualTo(Reading.of(false));
    }

    @Test
    void whoIsNotRootSeesTheGpuAndNotWhetherItIsVirtual() {
        // Given: what the kernel shows to others
        device("0000:3b:00.0", "0x030200", new byte[64]);

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isEqualTo(Reading.of(true));
        assertThat(facts.vgpu().describe()).contains("0000:3b:00.0", "64 of 256 bytes");
    }

    @Test
    void aDeviceWithoutConfigurationSpaceSaysNothingOfVirtualGpus() {
        // Given
        device("0000:3b:00.0", "0x030200", new byte[256]);
        write("/sys/bus/pci/devices/0000:3c:00.0/vendor", "0x10de\n");
        write("/sys/bus/pci/devices/0000:3c:00.0/class", "0x030200\n");

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isEqualTo(Reading.of(true));
        assertThat(facts.vgpu()).isInstanceOf(Reading.Failed.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "NVIDIA", "0x10dee10de10de"})
    void aVendorThatIsNoNumberFailsTheScanWithItsPlace(String vendor) {
        // Given
        write("/sys/bus/pci/devices/0000:3b:00.0/vendor", vendor);

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu().describe()).contains("0000:3b:00.0/vendor", "\"" + vendor + "\"");
    }

    @Test
    void aDeviceThatVanishesWhileTheBusIsReadSaysNothingOfTheOthers() throws IOException {
        // Given: a link that leads nowhere any more, as sysfs has it
        device("0000:3b:00.0", "0x030200", new byte[256]);
        Files.createSymbolicLink(root.resolve("sys/bus/pci/devices/0000:3a:00.0"), Path.of("gone"));

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.gpu()).isEqualTo(Reading.of(true));
        assertThat(facts.vgpu()).isEqualTo(Reading.of(Optional.empty()));
    }

    @Test
    void whatWasReadOnceStaysWhileItCannotBeReadAgain() {
        // Given
        device("0000:3b:00.0", "0x030200", vgpu("550.90.05", "r550_00"));
        HostFacts before = reader.read("");
        write("/sys/bus/pci/devices/0000:3b:00.0/vendor", "");

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts).isEqualTo(before);
    }

    @Test
    void configurationSpacesAreNotReadAgainForTheSameDevices() throws IOException {
        // Given: reading it wakes a device that sleeps
        device("0000:3b:00.0", "0x030200", new byte[256]);
        reader.read("");
        Files.write(root.resolve("sys/bus/pci/devices/0000:3b:00.0/config"), vgpu("550.90.05", "r550_00"));

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.vgpu()).isEqualTo(Reading.of(Optional.empty()));
    }

    @Test
    void aVirtualGpuThatIsPluggedInIsFound() {
        // Given
        device("0000:3b:00.0", "0x030200", new byte[256]);
        reader.read("");
        device("0000:3c:00.0", "0x030200", vgpu("550.90.05", "r550_00"));

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.vgpu()).isEqualTo(Reading.of(Optional.of(new Vgpu("550.90.05", "r550_00"))));
    }

    @Test
    void theLastVirtualGpuOfSeveralCounts() {
        // Given
        device("0000:02:00.0", "0x030000", vgpu("550.90.05", "r550_00"));
        device("0000:03:00.0", "0x030000", vgpu("535.129.03", "r535_00"));
        device("0000:04:00.0", "0x030000", new byte[256]);

        // When
        HostFacts facts = reader.read("");

        // Then
        assertThat(facts.vgpu()).isEqualTo(Reading.of(Optional.of(new Vgpu("535.129.03", "r535_00"))));
    }

    // --- configuration spaces

    @Test
    void aVirtualGpuTellsItsHypervisorsDriver() {
        // When
        Optional<Vgpu> found = VgpuCapability.find(vgpu("460.16", "r460_00"));

        // Then
        assertThat(found).contains(new Vgpu("460.16", "r460_00"));
    }

    @Test
    void textsOfFullLengthNeedNoNul() {
        // When
        Optional<Vgpu> found = VgpuCapability.find(vgpu("550.163.01", "r550_00xyz"));

        // Then
        assertThat(found).contains(new Vgpu("550.163.01", "r550_00xyz"));
    }

    @Test
    void recordsBeforeTheDriversArePassedOver() {
        // Given: a record of 4 bytes with id 3 before it
        byte[] space = capability(0x1f);
        put(space, 0xd0 + 5, 3, 4, 0xaa, 0xbb, 0, 22);
        text(space, 0xd0 + 11, "550.90.05");
        text(space, 0xd0 + 21, "r550_00");

        // When
        Optional<Vgpu> found = VgpuCapability.find(space);

        // Then
        assertThat(found).contains(new Vgpu("550.90.05", "r550_00"));
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 6, 7, 20, 26})
    void aVirtualGpuWithoutRoomForItsDriverTellsNone(int length) {
        // Given
        byte[] space = vgpu("550.90.05", "r550_00");
        space[0xd0 + 2] = (byte) length;

        // When
        Optional<Vgpu> found = VgpuCapability.find(space);

        // Then
        assertThat(found).contains(new Vgpu("", ""));
    }

    @Test
    void aRecordWithoutLengthEndsTheSearch() {
        // Given
        byte[] space = capability(0x1b);
        put(space, 0xd0 + 5, 3, 0);

        // When
        Optional<Vgpu> found = VgpuCapability.find(space);

        // Then
        assertThat(found).contains(new Vgpu("", ""));
    }

    @Test
    void aDeviceThatSaysItHasNoCapabilitiesHasNone() {
        // Given
        byte[] space = vgpu("550.90.05", "r550_00");
        space[6] = 0;

        // When
        Optional<Vgpu> found = VgpuCapability.find(space);

        // Then
        assertThat(found).isEmpty();
    }

    @Test
    void aVendorSpecificCapabilityOfAnotherKindIsNoVirtualGpu() {
        // Given
        byte[] space = vgpu("550.90.05", "r550_00");
        space[0xd0 + 4] = 'X';

        // When
        Optional<Vgpu> found = VgpuCapability.find(space);

        // Then
        assertThat(found).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {0x40, 0xff, 0xfe, 0x00, 0x80})
    void aChainOfCapabilitiesThatLoopsOrBreaksEnds(int next) {
        // Given: at 0x40 a capability that leads to itself, behind the header, nowhere or into nothing
        byte[] space = new byte[256];
        space[6] = 0x10;
        space[0x34] = 0x40;
        put(space, 0x40, 0x05, next);
        space[0x80] = (byte) 0xff;

        // When
        Optional<Vgpu> found = VgpuCapability.find(space);

        // Then
        assertThat(found).isEmpty();
    }

    private static byte[] capability(int length) {
        byte[] space = new byte[256];
        space[6] = 0x10;
        space[0x34] = 0x40;
        put(space, 0x40, 0x05, 0xd0);
        put(space, 0xd0, 0x09, 0x00, length, 'V', 'F');
        return space;
    }

    private static byte[] vgpu(String version, String branch) {
        byte[] space = capability(0x1b);
        put(space, 0xd0 + 5, 0, 22);
        text(space, 0xd0 + 7, version);
        text(space, 0xd0 + 17, branch);
        return space;
    }

    private static void put(byte[] space, int at, int... bytes) {
        for (int i = 0; i < bytes.length; i++) {
            space[at + i] = (byte) bytes[i];
        }
    }

    private static void text(byte[] space, int at, String text) {
        byte[] bytes = Arrays.copyOf(text.getBytes(StandardCharsets.US_ASCII), 10);
        System.arraycopy(bytes, 0, space, at, bytes.length);
    }

    private void device(String address, String pciClass, byte[] space) {
        String device = "/sys/bus/pci/devices/" + address;
        write(device + "/vendor", "0x10de\n");
        write(device + "/class", pciClass + "\n");
        try {
            Files.write(root.resolve((device + "/config").substring(1)), space);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void write(String file, String text) {
        Path path = root.resolve(file.substring(1));
        try {
            Files.createDirectories(path.resolveSibling(""));
            Files.writeString(path, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
