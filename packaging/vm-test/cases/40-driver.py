"""The driver's life on a real kernel: loaded at the start, refused while in use, exchanged, rolled back, and whole again after any fault."""

import node

skip = node.skip_without_package


def test_the_driver_is_there_before_the_gpus_are_offered(machine):
    node.managed(machine)
    assert node.whole(machine, {node.OLD}) == node.OLD
    log = [event for _, event in node.kubelet_log(machine)]
    assert ["devices", "nvidia.com/gpu", "0", "4"] not in log, log
    # The agent holds the modules through NVML, its persistence daemon keeps the GPUs open, and both are named.
    table = node.json_of(machine, "gpu-node-agent driver holders")
    units = {holder["place"].get("unit") for holder in table["holders"]}
    assert "gpu-node-agent.service" in units and all(unit.startswith("gpu-node-agent") for unit in units), table
    assert machine.run("findmnt -n /run/nvidia/driver").out != ""


def test_an_unload_while_in_use_is_refused_with_the_holder_and_nothing_changes(machine):
    node.managed(machine)
    machine.run("systemd-run -q --unit=training hold-device /dev/nvidia2")
    machine.until("pgrep hold-device", 10)
    answer, done = node.ask(machine, "unload")
    assert not done and "training.service" in answer and "/dev/nvidia2" in answer, answer
    assert node.whole(machine, {node.OLD}) == node.OLD
    machine.run("systemctl stop training")
    answer, done = node.ask(machine, "unload")
    assert done, answer
    assert machine.run("grep -c ^nvidia /proc/modules", check=False).out.strip() == "0"
    answer, done = node.ask(machine, "load")
    assert done, answer
    assert node.whole(machine, {node.OLD}) == node.OLD


def test_an_upgrade_exchanges_the_driver_and_a_rollback_brings_it_back(machine):
    node.managed(machine)
    node.want(machine, node.NEW)
    answer, done = node.ask(machine, "upgrade")
    assert done, answer
    assert node.whole(machine, {node.NEW}) == node.NEW
    print(f"# outage of the upgrade, as the kubelet saw it: {outage(machine):.1f} s")
    answer, done = node.ask(machine, "rollback")
    assert done, answer
    assert node.whole(machine, {node.OLD}) == node.OLD


def outage(machine):
    """Seconds from the last list with healthy GPUs before they were gone to the first one after."""
    log = [(moment, int(event[2])) for moment, event in node.kubelet_log(machine) if event[0] == "devices"]
    down = next(moment for moment, healthy in log if healthy < node.GPUS)
    return log[-1][0] - down


def test_a_new_module_that_fails_leaves_the_old_driver(machine):
    node.managed(machine)
    machine.run(f"echo 'fail 5' >/var/lib/standin/nvidia-{node.NEW}")
    node.want(machine, node.NEW)
    answer, done = node.ask(machine, "upgrade")
    assert not done and answer.splitlines()[-1].startswith("back"), answer
    assert node.whole(machine, {node.OLD}) == node.OLD
    # So does one of the others, when the main one is loaded already.
    machine.run(f"rm /var/lib/standin/nvidia-{node.NEW}; echo 'fail 22' >/var/lib/standin/nvidia_uvm-{node.NEW}")
    answer, done = node.ask(machine, "upgrade")
    assert not done and answer.splitlines()[-1].startswith("back"), answer
    assert node.whole(machine, {node.OLD}) == node.OLD


def test_after_a_reboot_driver_and_cdi_are_there_before_the_kubelet(machine):
    node.managed(machine)
    machine.shut_down()
    machine.boot()
    node.registered(machine)
    log = node.kubelet_log(machine)
    started = next(event for _, event in log if event[0] == "started")
    assert "none" not in started, log
    registered = next(moment for moment, event in log if event[0] == "registered")
    began = int(machine.run("systemctl show -P ExecMainStartTimestampMonotonic gpu-node-agent").out) / 1e6
    print(f"# boot to registered: {registered:.1f} s after the kernel began; the agent began at {began:.1f} s, the kubelet at {log[0][0]:.1f} s")
    assert node.whole(machine, {node.OLD}) == node.OLD


def test_a_daemon_reload_disturbs_neither_agent_nor_nodes(machine):
    node.managed(machine)
    machine.run("systemd-run -q --unit=container -p DevicePolicy=closed -p 'DeviceAllow=/dev/nvidia0 rw' -p 'DeviceAllow=/dev/nvidiactl rw' hold-device /dev/nvidia0")
    before = node.main_pid(machine), machine.run("ls -l /dev/nvidia* /dev/char | grep -i nvidia").out
    machine.run("systemctl daemon-reload")
    assert (node.main_pid(machine), machine.run("ls -l /dev/nvidia* /dev/char | grep -i nvidia").out) == before
    assert machine.run("systemctl is-active container").out == "active\n"
    assert node.whole(machine, {node.OLD}) == node.OLD


def test_unsigned_modules_under_enforcement_are_explained(machine):
    node.managed(machine)
    machine.shut_down()
    machine.boot("module.sig_enforce=1")
    machine.until("journalctl -u gpu-node-agent --no-pager | grep -iE 'sign|EKEYREJECTED|Key was rejected'", node.START_SECONDS)
    assert node.driver_version(machine) == ""
    status = machine.run("gpu-node-agent driver status", seconds=node.START_SECONDS, check=False).out
    assert "sign" in status, status


def test_nouveau_is_taken_from_the_gpus(machine):
    node.managed(machine)
    answer, done = node.ask(machine, "unload")
    assert done, answer
    machine.run("modprobe nouveau")
    answer, done = node.ask(machine, "load")
    assert done, answer
    assert node.whole(machine, {node.OLD}) == node.OLD
    assert machine.run("grep -c ^nouveau /proc/modules", check=False).out.strip() == "0"


def test_a_modprobe_that_hangs_is_given_up_and_told(machine):
    node.managed(machine)
    node.want(machine, node.NEW, "  limits:\n    load: 5s\n")
    machine.run(f"echo 'slow 600000' >/var/lib/standin/nvidia-{node.NEW}")
    answer, done = node.ask(machine, "upgrade")
    assert not done and answer.splitlines()[-1].startswith("back"), answer
    assert node.whole(machine, {node.OLD}) == node.OLD


def test_a_purge_leaves_the_driver_to_who_uses_it_and_says_what_still_runs(machine):
    node.managed(machine)
    machine.run("systemd-run -q --unit=training hold-device /dev/nvidia2")
    machine.until("pgrep hold-device", 10)
    said = machine.run("dpkg -P gpu-node-agent 2>&1", seconds=node.START_SECONDS).out
    assert f"nvidia-persistenced (process {node.persistenced(machine)[0]})" in said, said
    # Nothing is taken from a container that has a GPU.
    assert machine.run("systemctl is-active training").out == "active\n"
    assert set(node.modules(machine).values()) == {node.OLD}
    assert node.roots(machine) == []
    left = machine.run("find / -xdev -not -path '/proc/*' -name '*gpu-node-agent*' -not -path '/var/log/*' -not -path '/run/log/*' -not -path '/etc/systemd/system/gpu-node-agent.service.d*' -not -path '/root/*'").out
    assert left == "", left
    # What it said is all that there is to do.
    machine.run("systemctl stop training 'gpu-node-agent-nvidia-persistenced-*.scope'")
    machine.run("rmmod nvidia_modeset nvidia_uvm nvidia")


def test_what_a_load_and_an_unload_take_beyond_the_kernel(machine):
    """Figures, not limits: an emulated machine is ten times slower than a real one."""
    node.managed(machine)
    stored = "cd $(dirname $(find /var/lib/gpu-node-agent/drivers -name nvidia-uvm.ko -path '*modules*' | xargs grep -l 550.163.01 | head -n 1))"
    load = f"{stored}; time (for m in nvidia nvidia-uvm nvidia-modeset; do insmod $m.ko; done)"
    unload = "time (for m in nvidia_modeset nvidia_uvm nvidia; do rmmod $m; done)"
    for _ in range(3):
        answer, done = node.ask(machine, "unload")
        assert done, answer
        said = answer.splitlines()[-1]
        by_hand = [seconds(machine.run(f"TIMEFORMAT=%R; {what}").err) for what in (load, unload)]
        print(f"# {said}; rmmod of three modules by hand {by_hand[1]:.2f} s")
        answer, done = node.ask(machine, "load")
        assert done, answer
        print(f"# {answer.splitlines()[-1]}; insmod of three modules by hand {by_hand[0]:.2f} s")
    assert node.whole(machine, {node.OLD}) == node.OLD


def seconds(text):
    return float(text.split()[-1])
