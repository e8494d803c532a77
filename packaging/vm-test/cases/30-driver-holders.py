"""Who holds the driver, as the agent sees it of a real kernel: descriptors, mappings, pods, deleted nodes, references that no process explains."""

import node

skip = node.skip_without_package

POD = "0c9a1b52-6c1e-4a6e-9a39-0d4d0d6f1c11"
CONTAINER = "4f" * 32
NODES = "mknod /dev/nvidia0 c 195 0; mknod /dev/nvidia1 c 195 1; mknod /dev/nvidiactl c 195 255; mknod /dev/nvidia-uvm c $(awk '/nvidia-uvm/ { print $1 }' /proc/devices) 0"


def test_each_holder_has_its_unit_or_pod_and_the_kernel_agrees(machine):
    node.ready(machine)
    machine.run("rm /etc/udev/rules.d/60-nvidia.rules; udevadm control --reload; modprobe nvidia; modprobe nvidia_uvm; modprobe nvidia_drm")
    machine.run(NODES)
    machine.run("systemd-run -q --unit=descriptor hold-device /dev/nvidiactl; systemd-run -q --unit=mapping hold-device /dev/nvidia0 map")
    # A node that is gone since, under another name.
    machine.run("mknod /dev/other c 195 1; systemd-run -q --unit=deleted hold-device /dev/other")
    machine.until("pgrep -f 'hold-device /dev/other'", 10)
    # A container of a pod, in the cgroup that containerd gives it under systemd.
    machine.run(f"mkdir -p /var/log/pods/team-a_train-0_{POD} /var/log/containers; ln -s x /var/log/containers/train-0_team-a_main-{CONTAINER}.log")
    pod_slice = f"kubepods-besteffort-pod{POD.replace('-', '_')}.slice"
    machine.run(f"systemd-run -q --scope --slice={pod_slice} --unit=cri-containerd-{CONTAINER} hold-device /dev/nvidia-uvm >/dev/null 2>&1 &")
    machine.until('test "$(cat /sys/module/nvidia_uvm/refcnt)" = 1 && test "$(cat /sys/module/nvidia/refcnt)" = 6 && rm /dev/other', 20)

    table = node.json_of(machine, "gpu-node-agent driver holders")

    modules = {module["name"]: module for module in table["modules"]}
    assert modules["nvidia"]["references"] == 6 and modules["nvidia"]["external"] == 3, table
    assert sorted(modules["nvidia"]["holders"]) == ["nvidia_drm", "nvidia_modeset", "nvidia_uvm"], table
    found = {holder["place"].get("unit") or holder["place"].get("pod"): holder for holder in table["holders"]}
    assert found["descriptor.service"]["through"] == "fd" and found["descriptor.service"]["device"] == "/dev/nvidiactl", table
    assert found["mapping.service"]["through"] == "map" and found["mapping.service"]["device"] == "/dev/nvidia0", table
    assert found["deleted.service"]["module"] == "nvidia" and found["deleted.service"]["executable"] == "/usr/bin/hold-device", table
    pod = next(holder for holder in table["holders"] if holder["place"].get("pod"))
    assert (pod["module"], pod["place"]["namespace"], pod["place"]["pod"], pod["place"]["container"]) == ("nvidia_uvm", "team-a", "train-0", "main"), table
    assert len(table["holders"]) == 4, table
    # And they are what the kernel holds the module for: without them it goes.
    machine.run("systemctl stop descriptor mapping deleted; pkill hold-device; rmmod nvidia_drm nvidia_modeset nvidia_uvm nvidia")


def test_status_shows_what_is_there_and_nouveau_in_the_way(machine):
    node.ready(machine)
    machine.run("rm /etc/udev/rules.d/60-nvidia.rules; udevadm control --reload; modprobe nvidia NVreg_DeviceFileMode=432; modprobe nvidia_uvm")
    status = machine.run("gpu-node-agent driver status", seconds=node.START_SECONDS, check=False)
    assert f"{node.OLD} open, loaded" in status.out and "4 on the bus, 4 with nvidia" in status.out, status.out + status.err
    assert "device nodes are missing" in status.out, status.out
    machine.run("rmmod nvidia_uvm nvidia; modprobe nouveau")
    status = machine.run("gpu-node-agent driver status", seconds=node.START_SECONDS, check=False)
    assert "nouveau" in status.out and "not loaded" not in next(line for line in status.out.splitlines() if line.startswith("nouveau")), status.out + status.err
