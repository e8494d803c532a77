"""The stand-in kernel modules behave as NVIDIA's where the agent looks: what the other cases find is worth as much as this."""


def loaded(machine):
    """Name to reference count and holders, of the stand-ins."""
    modules = {}
    for line in machine.run("cat /proc/modules").out.splitlines():
        name, _, references, holders = line.split()[:4]
        if name.startswith("nvidia"):
            modules[name] = (int(references), set(holders.strip(",-").split(",")) - {""})
    return modules


def test_the_module_graph_and_its_files_are_the_real_ones(machine):
    machine.resume()
    machine.run("standin-install 550.163.01; modprobe nvidia NVreg_DeviceFileMode=432; modprobe nvidia_uvm; modprobe nvidia_drm modeset=1; modprobe nvidia_peermem")
    graph = loaded(machine)
    assert graph["nvidia"] == (4, {"nvidia_uvm", "nvidia_modeset", "nvidia_drm", "nvidia_peermem"}), graph
    assert graph["nvidia_modeset"] == (1, {"nvidia_drm"}), graph
    assert machine.run("cat /sys/module/nvidia/version").out == "550.163.01\n"
    assert "DeviceFileMode: 432" in machine.run("cat /proc/driver/nvidia/params").out
    assert "  550.163.01  " in machine.run("cat /proc/driver/nvidia/version").out
    assert machine.run("cat /sys/module/nvidia_drm/parameters/modeset").out == "Y\n"
    information = machine.run("cat /proc/driver/nvidia/gpus/0000:31:00.0/information").out
    assert "Device Minor: \t 0\n" in information and "GPU-????????-" in information, information
    assert machine.run("readlink /sys/bus/pci/devices/0000:b2:00.0/driver").out.endswith("/nvidia\n")
    devices = machine.run("cat /proc/devices").out
    for name in ("195 nvidia\n", "195 nvidiactl\n", "195 nvidia-modeset\n", " nvidia-uvm\n", " nvidia-caps\n", " nvidia-caps-imex-channels\n"):
        assert name in devices, devices


def test_an_open_device_and_a_mapping_hold_the_module(machine):
    machine.resume()
    machine.run("standin-install 550.163.01; modprobe nvidia; mknod /dev/nvidia0 c 195 0; mknod /dev/nvidiactl c 195 255")
    machine.run("systemd-run -q --unit=mapping hold-device /dev/nvidia0 map; systemd-run -q --unit=open hold-device /dev/nvidiactl")
    machine.until('test "$(cat /sys/module/nvidia/refcnt)" = 2', 10)
    refused = machine.run("rmmod nvidia", check=False)
    assert refused.status != 0 and "is in use" in refused.err, refused.err
    assert "GPU UUID: \t GPU-d3801073-" in machine.run("cat /proc/driver/nvidia/gpus/0000:31:00.0/information").out
    machine.run("systemctl stop mapping open; rmmod nvidia")
    assert loaded(machine) == {}


def test_loads_fail_as_they_are_told_and_as_the_kernel_has_it(machine):
    machine.resume()
    machine.run("standin-install 580.95.05; echo 'fail 5' >/var/lib/standin/nvidia-580.95.05")
    failed = machine.run("modprobe nvidia", check=False)
    assert "Input/output error" in failed.err, failed.err
    machine.run("rm /var/lib/standin/nvidia-580.95.05; modprobe nouveau")
    failed = machine.run("modprobe nvidia", check=False)
    assert "No such device" in failed.err, failed.err
    machine.run("rmmod nouveau")
    failed = machine.run("insmod /opt/standin/other-kernel/nvidia.ko", check=False)
    assert "Invalid module format" in failed.err, failed.err
    failed = machine.run("modprobe nvidia NVreg_DeviceFileMode=often", check=False)
    assert "Invalid argument" in failed.err, failed.err
    machine.run("echo 'slow 60000' >/var/lib/standin/nvidia")
    assert machine.run("timeout 1 modprobe nvidia", check=False).status == 124
    machine.run("rm /var/lib/standin/nvidia; modprobe nvidia")
    assert set(loaded(machine)) == {"nvidia"}
