package io.gpunode.agent.podresources;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads the kubelet's answer to List straight from the wire, keeping only what is asked for here: which container holds which device. The
 * answer also lists every container's processors, memory and other devices; as objects of the generated classes a large one would not fit
 * the heap.
 *
 * <p>Field numbers are those of {@code podresources.proto}. One resource can occur several times in a container (the kubelet groups devices by
 * NUMA node); all of them count.
 *
 * <p>Whose devices are kept follows from their ids, not from the configuration: containers hold devices under names of resources that it no longer has.
 * Ids of other forms count under the names that device plugins for NVIDIA GPUs give by themselves, and under those that are named here. The domain
 * alone says nothing: NVIDIA's network operator offers network functions in it ({@code nvidia.com/hostdev}).
 *
 * <p>A device that NVIDIA's DRA driver prepared for a claim is kept as {@code gpu.nvidia.com/pool/device}; another driver's when one of its CDI names
 * is a GPU's or MIG device's UUID, as that UUID.
 */
final class PodResourcesReader implements MethodDescriptor.Marshaller<Map<String, List<PodUse>>> {
    /** NVIDIA's DRA driver for GPUs. */
    static final String DRA_DRIVER = "gpu.nvidia.com";

    /** More devices than a kubelet can hold is not an answer. */
    private static final int MOST_DEVICES = 100_000;

    private static final String GPU_RESOURCE = "nvidia.com/gpu";
    private static final String MIG_RESOURCE = "nvidia.com/mig-";
    private static final String GPU = "GPU-";
    private static final String MIG_DEVICE = "MIG-";

    private static final int RESPONSE_PODS = 1;
    private static final int POD_NAME = 1;
    private static final int POD_NAMESPACE = 2;
    private static final int POD_CONTAINERS = 3;
    private static final int CONTAINER_NAME = 1;
    private static final int CONTAINER_DEVICES = 2;
    private static final int CONTAINER_DYNAMIC_RESOURCES = 5;
    private static final int DEVICES_RESOURCE = 1;
    private static final int DEVICES_IDS = 2;
    private static final int DYNAMIC_CLAIM_NAME = 2;
    private static final int DYNAMIC_CLAIM_NAMESPACE = 3;
    private static final int DYNAMIC_CLAIM_RESOURCES = 4;
    private static final int CLAIM_CDI_DEVICES = 1;
    private static final int CLAIM_DRIVER = 2;
    private static final int CLAIM_POOL = 3;
    private static final int CLAIM_DEVICE = 4;
    private static final int CDI_NAME = 1;

    private final Set<String> resourceNames;

    /** @param resourceNames of resources whose devices are GPUs, whatever their ids look like */
    PodResourcesReader(Set<String> resourceNames) {
        this.resourceNames = Set.copyOf(resourceNames);
    }

    @Override
    public Map<String, List<PodUse>> parse(InputStream stream) {
        Map<String, List<PodUse>> byDevice = new HashMap<>();
        try {
            CodedInputStream in = CodedInputStream.newInstance(stream);
            fields(in, field -> {
                if (field != RESPONSE_PODS) {
                    return false;
                }
                nested(in, () -> pod(in, byDevice));
                return true;
            });
        } catch (IOException e) {
            throw Status.INTERNAL
                    .withDescription("the kubelet's list of pods cannot be read: " + e.getMessage())
                    .withCause(e)
                    .asRuntimeException();
        }
        return byDevice;
    }

    /** Never asked for: this end only reads. */
    @Override
    public InputStream stream(Map<String, List<PodUse>> value) {
        throw new UnsupportedOperationException("the list of pods is read, never written");
    }

    private void pod(CodedInputStream in, Map<String, List<PodUse>> byDevice) throws IOException {
        String[] names = {"", ""};
        List<Container> containers = new ArrayList<>(2);
        fields(in, field -> {
            switch (field) {
                case POD_NAME -> names[0] = in.readString();
                case POD_NAMESPACE -> names[1] = in.readString();
                case POD_CONTAINERS ->
                    nested(in, () -> {
                        Container container = container(in);
                        if (!container.ids().isEmpty() || !container.claimed().isEmpty()) {
                            containers.add(container);
                        }
                    });
                default -> {
                    return false;
                }
            }
            return true;
        });
        for (Container container : containers) {
            PodUse use = new PodUse(names[1], names[0], container.name());
            for (String id : container.ids()) {
                add(byDevice, id, use);
            }
            for (Claimed device : container.claimed()) {
                add(byDevice, device.id(), new PodUse(names[1], names[0], container.name(), device.claim()));
            }
        }
    }

    private Container container(CodedInputStream in) throws IOException {
        String[] name = {""};
        List<String> ids = new ArrayList<>(0);
        List<Claimed> claimed = new ArrayList<>(0);
        fields(in, field -> {
            switch (field) {
                case CONTAINER_NAME -> name[0] = in.readString();
                case CONTAINER_DEVICES -> nested(in, () -> devices(in, ids));
                case CONTAINER_DYNAMIC_RESOURCES -> nested(in, () -> dynamicResource(in, claimed));
                default -> {
                    return false;
                }
            }
            return true;
        });
        return new Container(name[0], ids, claimed);
    }

    private static void dynamicResource(CodedInputStream in, List<Claimed> claimed) throws IOException {
        String[] claim = {"", ""};
        List<ClaimResource> resources = new ArrayList<>(1);
        fields(in, field -> {
            switch (field) {
                case DYNAMIC_CLAIM_NAME -> claim[0] = in.readString();
                case DYNAMIC_CLAIM_NAMESPACE -> claim[1] = in.readString();
                case DYNAMIC_CLAIM_RESOURCES -> nested(in, () -> resources.add(claimResource(in)));
                default -> {
                    return false;
                }
            }
            return true;
        });
        for (ClaimResource resource : resources) {
            if (!resource.id().isEmpty()) {
                claimed.add(new Claimed(
                        resource.id(),
                        new PodUse.Claim(claim[0], claim[1], resource.driver(), resource.pool(), resource.device())));
            }
        }
    }

    private static ClaimResource claimResource(CodedInputStream in) throws IOException {
        String[] texts = {"", "", "", ""};
        fields(in, field -> {
            switch (field) {
                case CLAIM_DRIVER, CLAIM_POOL, CLAIM_DEVICE -> texts[field - CLAIM_DRIVER] = in.readString();
                case CLAIM_CDI_DEVICES ->
                    nested(in, () -> {
                        String name = cdiName(in);
                        int device = name.indexOf('=') + 1;
                        if (name.startsWith(GPU, device) || name.startsWith(MIG_DEVICE, device)) {
                            texts[3] = name.substring(device);
                        }
                    });
                default -> {
                    return false;
                }
            }
            return true;
        });
        String id = texts[3].isEmpty() && texts[0].equals(DRA_DRIVER)
                ? DRA_DRIVER + "/" + texts[1] + "/" + texts[2]
                : texts[3];
        return new ClaimResource(id, texts[0], texts[1], texts[2]);
    }

    private static String cdiName(CodedInputStream in) throws IOException {
        String[] name = {""};
        fields(in, field -> {
            if (field != CDI_NAME) {
                return false;
            }
            name[0] = in.readString();
            return true;
        });
        return name[0];
    }

    private void devices(CodedInputStream in, List<String> ids) throws IOException {
        String[] resource = {""};
        List<String> found = new ArrayList<>(1);
        fields(in, field -> {
            switch (field) {
                case DEVICES_RESOURCE -> resource[0] = in.readString();
                case DEVICES_IDS -> found.add(in.readString());
                default -> {
                    return false;
                }
            }
            return true;
        });
        boolean gpus = resource[0].startsWith(GPU_RESOURCE)
                || resource[0].startsWith(MIG_RESOURCE)
                || resourceNames.contains(resource[0]);
        for (String id : found) {
            int device = id.indexOf('=') + 1;
            if (gpus || id.startsWith(GPU, device) || id.startsWith(MIG_DEVICE, device)) {
                ids.add(id);
            }
        }
    }

    private static void add(Map<String, List<PodUse>> byDevice, String id, PodUse use) throws IOException {
        List<PodUse> uses = byDevice.computeIfAbsent(id, _ -> new ArrayList<>(1));
        if (byDevice.size() > MOST_DEVICES) {
            throw new InvalidProtocolBufferException("more than " + MOST_DEVICES + " devices in use");
        }
        if (!uses.contains(use)) {
            uses.add(use);
        }
    }

    /** Calls for each length-delimited field; skips the others and those that are not taken. */
    private static void fields(CodedInputStream in, Field taker) throws IOException {
        while (true) {
            int tag = in.readTag();
            if (tag == 0) {
                return;
            }
            boolean delimited = WireFormat.getTagWireType(tag) == WireFormat.WIRETYPE_LENGTH_DELIMITED;
            if (!delimited || !taker.take(WireFormat.getTagFieldNumber(tag))) {
                in.skipField(tag);
            }
        }
    }

    private static void nested(CodedInputStream in, Body body) throws IOException {
        int outer = in.pushLimit(in.readRawVarint32());
        body.read();
        in.checkLastTagWas(0);
        in.popLimit(outer);
    }

    private record Container(String name, List<String> ids, List<Claimed> claimed) {}

    private record Claimed(String id, PodUse.Claim claim) {}

    /** @param id empty when it is no GPU */
    private record ClaimResource(String id, String driver, String pool, String device) {}

    private interface Field {
        boolean take(int field) throws IOException;
    }

    private interface Body {
        void read() throws IOException;
    }
}
