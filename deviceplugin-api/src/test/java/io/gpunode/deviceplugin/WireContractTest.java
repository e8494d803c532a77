package io.gpunode.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginProto;
import io.gpunode.deviceplugin.v1beta1.RegistrationGrpc;
import io.gpunode.pluginregistration.v1.PluginRegistrationProto;
import io.gpunode.podresources.v1.PodResourcesListerGrpc;
import io.gpunode.podresources.v1.PodResourcesProto;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the kubelet sees of the generated code: method paths, field numbers and types. Names in Java may change, these may not. */
class WireContractTest {
    @Test
    void devicePluginMethodsHaveTheKubeletsPaths() {
        // When
        List<String> paths = paths(DevicePluginGrpc.getServiceDescriptor());

        // Then
        assertThat(paths)
                .containsExactly(
                        "v1beta1.DevicePlugin/GetDevicePluginOptions UNARY",
                        "v1beta1.DevicePlugin/ListAndWatch SERVER_STREAMING",
                        "v1beta1.DevicePlugin/GetPreferredAllocation UNARY",
                        "v1beta1.DevicePlugin/Allocate UNARY",
                        "v1beta1.DevicePlugin/PreStartContainer UNARY");
    }

    @Test
    void registrationMethodHasTheKubeletsPath() {
        // When
        List<String> paths = paths(RegistrationGrpc.getServiceDescriptor());

        // Then
        assertThat(paths).containsExactly("v1beta1.Registration/Register UNARY");
    }

    @Test
    void podResourcesMethodsHaveTheKubeletsPaths() {
        // When
        List<String> paths = paths(PodResourcesListerGrpc.getServiceDescriptor());

        // Then
        assertThat(paths)
                .containsExactly(
                        "v1.PodResourcesLister/List UNARY",
                        "v1.PodResourcesLister/GetAllocatableResources UNARY",
                        "v1.PodResourcesLister/Get UNARY");
    }

    @Test
    void pluginRegistrationMethodsHaveTheKubeletsPaths() {
        // When
        List<String> paths = paths(io.gpunode.pluginregistration.v1.RegistrationGrpc.getServiceDescriptor());

        // Then
        assertThat(paths)
                .containsExactly(
                        "pluginregistration.Registration/GetInfo UNARY",
                        "pluginregistration.Registration/NotifyRegistrationStatus UNARY");
    }

    @Test
    void devicePluginFieldsKeepTheirNumbers() {
        // When
        List<String> fields = fields(DevicePluginProto.getDescriptor());

        // Then
        assertThat(fields)
                .containsExactly(
                        "DevicePluginOptions.1 pre_start_required BOOL",
                        "DevicePluginOptions.2 get_preferred_allocation_available BOOL",
                        "RegisterRequest.1 version STRING",
                        "RegisterRequest.2 endpoint STRING",
                        "RegisterRequest.3 resource_name STRING",
                        "RegisterRequest.4 options DevicePluginOptions",
                        "ListAndWatchResponse.1 devices repeated Device",
                        "TopologyInfo.1 nodes repeated NUMANode",
                        "NUMANode.1 ID INT64",
                        "Device.1 ID STRING",
                        "Device.2 health STRING",
                        "Device.3 topology TopologyInfo",
                        "PreferredAllocationRequest.1 container_requests repeated ContainerPreferredAllocationRequest",
                        "ContainerPreferredAllocationRequest.1 available_deviceIDs repeated STRING",
                        "ContainerPreferredAllocationRequest.2 must_include_deviceIDs repeated STRING",
                        "ContainerPreferredAllocationRequest.3 allocation_size INT32",
                        "PreferredAllocationResponse.1 container_responses repeated ContainerPreferredAllocationResponse",
                        "ContainerPreferredAllocationResponse.1 deviceIDs repeated STRING",
                        "AllocateRequest.1 container_requests repeated ContainerAllocateRequest",
                        "ContainerAllocateRequest.1 devices_ids repeated STRING",
                        "AllocateResponse.1 container_responses repeated ContainerAllocateResponse",
                        "ContainerAllocateResponse.1 envs map",
                        "ContainerAllocateResponse.2 mounts repeated Mount",
                        "ContainerAllocateResponse.3 devices repeated DeviceSpec",
                        "ContainerAllocateResponse.4 annotations map",
                        "ContainerAllocateResponse.5 cdi_devices repeated CDIDevice",
                        "CDIDevice.1 name STRING",
                        "Mount.1 container_path STRING",
                        "Mount.2 host_path STRING",
                        "Mount.3 read_only BOOL",
                        "DeviceSpec.1 container_path STRING",
                        "DeviceSpec.2 host_path STRING",
                        "DeviceSpec.3 permissions STRING",
                        "PreStartContainerRequest.1 devices_ids repeated STRING");
    }

    @Test
    void podResourcesFieldsKeepTheirNumbers() {
        // When
        List<String> fields = fields(PodResourcesProto.getDescriptor());

        // Then
        assertThat(fields)
                .containsExactly(
                        "AllocatableResourcesResponse.1 devices repeated ContainerDevices",
                        "AllocatableResourcesResponse.2 cpu_ids repeated INT64",
                        "AllocatableResourcesResponse.3 memory repeated ContainerMemory",
                        "ListPodResourcesResponse.1 pod_resources repeated PodResources",
                        "GetPodResourcesRequest.1 pod_name STRING",
                        "GetPodResourcesRequest.2 pod_namespace STRING",
                        "GetPodResourcesResponse.1 pod_resources PodResources",
                        "PodResources.1 name STRING",
                        "PodResources.2 namespace STRING",
                        "PodResources.3 containers repeated ContainerResources",
                        "PodResources.4 cpu_ids repeated INT64",
                        "PodResources.5 memory repeated ContainerMemory",
                        "ContainerResources.1 name STRING",
                        "ContainerResources.2 devices repeated ContainerDevices",
                        "ContainerResources.3 cpu_ids repeated INT64",
                        "ContainerResources.4 memory repeated ContainerMemory",
                        "ContainerResources.5 dynamic_resources repeated DynamicResource",
                        "ContainerMemory.1 memory_type STRING",
                        "ContainerMemory.2 size UINT64",
                        "ContainerMemory.3 topology TopologyInfo",
                        "ContainerDevices.1 resource_name STRING",
                        "ContainerDevices.2 device_ids repeated STRING",
                        "ContainerDevices.3 topology TopologyInfo",
                        "TopologyInfo.1 nodes repeated NUMANode",
                        "NUMANode.1 ID INT64",
                        "DynamicResource.2 claim_name STRING",
                        "DynamicResource.3 claim_namespace STRING",
                        "DynamicResource.4 claim_resources repeated ClaimResource",
                        "ClaimResource.1 cdi_devices repeated CDIDevice",
                        "ClaimResource.2 driver_name STRING",
                        "ClaimResource.3 pool_name STRING",
                        "ClaimResource.4 device_name STRING",
                        "ClaimResource.5 share_id STRING",
                        "CDIDevice.1 name STRING");
    }

    @Test
    void pluginRegistrationFieldsKeepTheirNumbers() {
        // When
        List<String> fields = fields(PluginRegistrationProto.getDescriptor());

        // Then
        assertThat(fields)
                .containsExactly(
                        "PluginInfo.1 type STRING",
                        "PluginInfo.2 name STRING",
                        "PluginInfo.3 endpoint STRING",
                        "PluginInfo.4 supported_versions repeated STRING",
                        "RegistrationStatus.1 plugin_registered BOOL",
                        "RegistrationStatus.2 error STRING");
    }

    private static List<String> paths(ServiceDescriptor service) {
        List<String> paths = new ArrayList<>();
        for (MethodDescriptor<?, ?> method : service.getMethods()) {
            paths.add(method.getFullMethodName() + " " + method.getType());
        }
        return paths;
    }

    private static List<String> fields(FileDescriptor file) {
        List<String> fields = new ArrayList<>();
        for (Descriptor message : file.getMessageTypes()) {
            for (FieldDescriptor field : message.getFields()) {
                fields.add(message.getName() + "." + field.getNumber() + " " + field.getName() + " " + type(field));
            }
        }
        return fields;
    }

    private static String type(FieldDescriptor field) {
        if (field.isMapField()) {
            return "map";
        }
        String type = field.getJavaType() == FieldDescriptor.JavaType.MESSAGE
                ? field.getMessageType().getName()
                : field.getType().name();
        return field.isRepeated() ? "repeated " + type : type;
    }
}
