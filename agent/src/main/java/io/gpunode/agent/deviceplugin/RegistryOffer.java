package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.deviceplugin.RegistrationState.Outcome;
import io.gpunode.pluginregistration.v1.InfoRequest;
import io.gpunode.pluginregistration.v1.PluginInfo;
import io.gpunode.pluginregistration.v1.RegistrationGrpc;
import io.gpunode.pluginregistration.v1.RegistrationStatus;
import io.gpunode.pluginregistration.v1.RegistrationStatusResponse;
import io.grpc.stub.StreamObserver;
import org.jspecify.annotations.Nullable;

/**
 * What a kubelet meets that finds a resource's socket in its {@code plugins_registry} directory: it asks what is there, registers it, and says
 * how that went. Answers from memory, because the kubelet waits 1 s for the first answer. Its calls come on the event loop.
 */
final class RegistryOffer extends RegistrationGrpc.RegistrationImplBase implements KubeletRegistration.Attempt {
    private final PluginInfo info;
    private final Runnable wake;
    private volatile @Nullable Outcome outcome;

    /** @param wake called when the kubelet has said how it went */
    RegistryOffer(String resource, Runnable wake) {
        // Without an endpoint: the same socket serves, wherever the kubelet sees the directory.
        this.info = PluginInfo.newBuilder()
                .setType("DevicePlugin")
                .setName(resource)
                .addSupportedVersions(KubeletRegistration.API_VERSION)
                .build();
        this.wake = wake;
    }

    @Override
    public @Nullable Outcome outcome() {
        return outcome;
    }

    @Override
    public void cancel() {}

    @Override
    public void getInfo(InfoRequest request, StreamObserver<PluginInfo> answer) {
        answer.onNext(info);
        answer.onCompleted();
    }

    @Override
    public void notifyRegistrationStatus(RegistrationStatus status, StreamObserver<RegistrationStatusResponse> answer) {
        answer.onNext(RegistrationStatusResponse.getDefaultInstance());
        answer.onCompleted();
        outcome = status.getPluginRegistered()
                ? Outcome.SUCCESS
                : new Outcome(
                        "the kubelet found " + info.getName() + " in its plugins_registry directory and refused it: "
                                + status.getError(),
                        false);
        wake.run();
    }
}
