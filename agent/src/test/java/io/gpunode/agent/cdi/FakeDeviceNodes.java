package io.gpunode.agent.cdi;

import io.gpunode.agent.os.DeviceNodes;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Device nodes that need no privilege. Links are followed one step. */
final class FakeDeviceNodes implements DeviceNodes {
    final Map<Path, CharacterDevice> devices = new HashMap<>();
    final Map<Path, Path> links = new HashMap<>();
    private @Nullable String refusal;
    private @Nullable Path unlinkable;

    FakeDeviceNodes with(String path, int major, int minor) {
        return with(path, major, minor, 0666);
    }

    FakeDeviceNodes with(String path, int major, int minor, int mode) {
        devices.put(Path.of(path), new CharacterDevice(major, minor, mode, 0, 0));
        return this;
    }

    /** Nothing can be made from now on. */
    void refuse(String why) {
        refusal = why;
    }

    /** A link that cannot be made from now on. */
    void refuseLink(String hostPath) {
        unlinkable = Path.of(hostPath);
    }

    @Override
    public Optional<CharacterDevice> find(Path hostPath) {
        Path link = links.get(hostPath);
        Path at = link == null ? hostPath : hostPath.resolveSibling(link).normalize();
        return Optional.ofNullable(devices.get(at));
    }

    @Override
    public void create(Path hostPath, CharacterDevice device) throws IOException {
        check();
        devices.put(hostPath, device);
    }

    @Override
    public void link(Path hostPath, Path target) throws IOException {
        check();
        if (hostPath.equals(unlinkable)) {
            throw new IOException("refused: " + hostPath);
        }
        links.put(hostPath, target);
    }

    private void check() throws IOException {
        if (refusal != null) {
            throw new IOException(refusal);
        }
    }
}
