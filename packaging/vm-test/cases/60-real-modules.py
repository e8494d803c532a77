"""NVIDIA's own kernel modules, compiled by `driver build`, where no GPU can be driven: each refusal has its reason, and nothing is left of it."""

import json
import time

import node

# What the modules say (kernel-open/nvidia/nv.c and nv-pci.c of 535.261.03), and what is to be told of it.
NO_GPU = "the kernel sees no NVIDIA GPU on this machine (the driver: \"No NVIDIA GPU found.\"). Next: see that it is on the PCI bus: lspci -nn -d 10de:"
NO_INTERRUPT = "the machine has given the GPU no interrupt, or no address space that it could be reached by (its BARs) (the driver: \"Can't find an IRQ for your NVIDIA card!\")"


def skip():
    return node.skip_without_package() or node.skip_without_real_driver()


def test_a_load_without_a_gpu_is_refused_and_explained_and_leaves_nothing(machine):
    node.with_real_driver(machine)
    load = machine.run("gpu-node-agent driver load", seconds=node.START_SECONDS, check=False)
    assert load.status == 1, load.out + load.err
    # The kernel's lines are there, and the sentence comes last.
    assert "\nNVRM: No NVIDIA GPU found.\n" in load.out, load.out
    assert load.err.startswith(f"could not load nvidia: {NO_GPU}") and load.err.endswith("; back to no driver\n"), load.err
    node.nothing_of_a_driver(machine)
    status = machine.run("gpu-node-agent driver status", seconds=node.START_SECONDS, check=False).out
    assert "not loaded" in status and "there is no NVIDIA GPU on the PCI bus" in status, status
    # The other modules do not come without the first, and leave nothing either.
    refused = "cd /var/lib/gpu-node-agent/drivers/modules/* && ! insmod nvidia-uvm.ko && ! insmod nvidia-modeset.ko && ! insmod nvidia-peermem.ko"
    assert "Unknown symbol in module" in machine.run(refused).err
    node.nothing_of_a_driver(machine)


def test_a_gpu_that_cannot_be_started_is_told_with_its_own_reason(machine):
    node.with_real_driver(machine)
    # GPUs with nothing behind their configuration space.
    machine.run("modprobe standin_bus")
    load = machine.run("gpu-node-agent driver load", seconds=node.START_SECONDS, check=False)
    assert load.status == 1 and load.err.startswith(f"could not load nvidia: {NO_INTERRUPT}"), load.out + load.err
    assert "NVRM: None of the NVIDIA devices were initialized." in load.out, load.out
    node.nothing_of_a_driver(machine)


def test_the_service_stays_up_tells_why_and_tries_again_with_pauses(machine):
    node.with_real_driver(machine)
    node.drop_in(machine)
    machine.run("systemctl start gpu-node-agent", seconds=node.START_SECONDS)
    tries = "journalctl -u gpu-node-agent --no-pager -o short-monotonic | grep 'a step step=\"load nvidia\"'"
    machine.until(f'test "$({tries} | wc -l)" -ge 3', node.START_SECONDS, every=2)
    moments = [float(line.split("]")[0].strip("[ ")) for line in machine.run(tries).out.splitlines()]
    pauses = [after - before for before, after in zip(moments, moments[1:])]
    print(f"# tried again after {', '.join(f'{pause:.0f}' for pause in pauses)} s")
    assert min(pauses) > 1, pauses
    answer, done = node.ask(machine, "load")
    assert not done, answer
    assert "seen NVRM: No NVIDIA GPU found." in answer.splitlines(), answer
    assert answer.splitlines()[-1].startswith(f"back could not load nvidia: {NO_GPU}"), answer

    # A try may be under way.
    state = json.loads(get_until(machine, "/state", '"state": "failed"'))
    driver = state["driver"]
    assert driver["state"] == "failed" and driver["reason"].startswith(f"could not load nvidia: {NO_GPU}"), driver
    assert "the kernel sees no NVIDIA GPU on this machine" in state["nvml"]["reason"], state["nvml"]
    assert "\ngpu_node_agent_driver_as_wanted 0" in get(machine, "/metrics")
    status = machine.run("gpu-node-agent status", seconds=node.START_SECONDS, check=False).out
    assert "NOT READY" in status and "the kernel sees no NVIDIA GPU on this machine" in status, status
    doctor = machine.run("gpu-node-agent doctor", seconds=node.START_SECONDS, check=False).out
    assert "PROBLEM driver: there is no NVIDIA GPU on the PCI bus" in doctor and "service: active" in doctor, doctor

    shown = machine.run("systemctl show -p ActiveState -p NRestarts gpu-node-agent").out.splitlines()
    assert sorted(shown) == ["ActiveState=active", "NRestarts=0"], shown
    # The reason is told when it is new, and not each time.
    log = machine.run("journalctl -u gpu-node-agent --no-pager").out
    assert log.count("DriverManager: driver state=FAILED") == 1 and log.count("the driver was not changed") == 1, log
    # From then on none is tried, so that what is left can be looked at.
    answer, done = node.ask(machine, "unload")
    assert done, answer
    node.nothing_of_a_driver(machine)


def get_until(machine, path, text):
    end = time.monotonic() + 60
    while True:
        answer = get(machine, path)
        if text in answer:
            return answer
        assert time.monotonic() < end, answer
        time.sleep(0.5)


def get(machine, path):
    """What the agent answers on its own port."""
    answer = machine.run(f"exec 3<>/dev/tcp/127.0.0.1/9400 && printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 30 cat <&3").out
    return answer.partition("\r\n\r\n")[2]
