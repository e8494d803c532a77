"""The driver's life on a real kernel: loaded at the start, refused while in use, exchanged, rolled back, and whole again after any fault."""

import os

import node

skip = node.skip_without_package

JOURNAL = "/var/lib/gpu-node-agent/driver.journal"


def ask(machine, command):
    """Has the agent do it; the lines that it answers with, and whether it was done."""
    result = machine.run(f"ask-agent /driver/{command}", seconds=node.START_SECONDS, check=False)
    return result.out, result.status == 0


def want(machine, version, more=""):
    """The configuration names another version; the agent has read it."""
    count = "journalctl -u gpu-node-agent --no-pager | grep -c 'configuration read again'"
    before = int(machine.run(count, check=False).out)
    node.configure(machine, version, more)
    machine.run("systemctl kill -s HUP --kill-who=main gpu-node-agent")
    machine.until(f'test "$({count})" -gt {before}', 60)


def test_the_driver_is_there_before_the_gpus_are_offered(machine):
    node.managed(machine)
    assert node.whole(machine, {node.OLD}) == node.OLD
    log = [event for _, event in node.kubelet_log(machine)]
    assert ["devices", "nvidia.com/gpu", "0", "4"] not in log, log
    # The agent holds the modules through NVML, and is named.
    table = node.json_of(machine, "gpu-node-agent driver holders")
    assert {holder["place"].get("unit") for holder in table["holders"]} == {"gpu-node-agent.service"}, table
    assert machine.run("findmnt -n /run/nvidia/driver").out != ""


def test_an_unload_while_in_use_is_refused_with_the_holder_and_nothing_changes(machine):
    node.managed(machine)
    machine.run("systemd-run -q --unit=training hold-device /dev/nvidia2")
    machine.until("pgrep hold-device", 10)
    answer, done = ask(machine, "unload")
    assert not done and "training.service" in answer and "/dev/nvidia2" in answer, answer
    assert node.whole(machine, {node.OLD}) == node.OLD
    machine.run("systemctl stop training")
    answer, done = ask(machine, "unload")
    assert done, answer
    assert machine.run("grep -c ^nvidia /proc/modules", check=False).out.strip() == "0"
    answer, done = ask(machine, "load")
    assert done, answer
    assert node.whole(machine, {node.OLD}) == node.OLD


def test_an_upgrade_exchanges_the_driver_and_a_rollback_brings_it_back(machine):
    node.managed(machine)
    want(machine, node.NEW)
    answer, done = ask(machine, "upgrade")
    assert done, answer
    assert node.whole(machine, {node.NEW}) == node.NEW
    print(f"# outage of the upgrade, as the kubelet saw it: {outage(machine):.1f} s")
    answer, done = ask(machine, "rollback")
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
    want(machine, node.NEW)
    answer, done = ask(machine, "upgrade")
    assert not done and answer.splitlines()[-1].startswith("back"), answer
    assert node.whole(machine, {node.OLD}) == node.OLD
    # So does one of the others, when the main one is loaded already.
    machine.run(f"rm /var/lib/standin/nvidia-{node.NEW}; echo 'fail 22' >/var/lib/standin/nvidia_uvm-{node.NEW}")
    answer, done = ask(machine, "upgrade")
    assert not done and answer.splitlines()[-1].startswith("back"), answer
    assert node.whole(machine, {node.OLD}) == node.OLD


def steps(machine):
    """How many steps the upgrade has, from one that goes well."""
    node.managed(machine)
    want(machine, node.NEW)
    answer, done = ask(machine, "upgrade")
    assert done, answer
    machine.power_off()
    return sum(line.startswith("step ") for line in answer.splitlines())


def chosen(number):
    """Every step, or with VM_TEST_STEPS=3 each third."""
    return range(1, number + 1, int(os.environ.get("VM_TEST_STEPS", "1")))


def test_a_kill_at_any_step_of_an_upgrade_ends_in_a_whole_driver(machine):
    for step in chosen(steps(machine)):
        node.managed(machine)
        # Slow enough to be killed while it happens.
        machine.run(f"for m in nvidia nvidia_uvm nvidia_modeset; do printf 'slow 300\\n' >/var/lib/standin/$m-{node.NEW}; done")
        want(machine, node.NEW)
        moment = node.uptime(machine)
        machine.run(f"systemd-run -q --unit=crash crash-at {JOURNAL} {step} kill; ask-agent /driver/upgrade", check=False, seconds=node.START_SECONDS)
        node.registered(machine, after=moment)
        version = node.whole(machine, {node.OLD, node.NEW})
        said = machine.run("journalctl -u crash --no-pager -o cat").out
        print(f"#   killed at step {step}: {version}; {said.strip()}", flush=True)
        machine.power_off()


def test_a_power_failure_at_any_step_of_an_upgrade_ends_in_a_whole_driver(machine):
    for step in chosen(steps(machine)):
        node.managed(machine)
        machine.run(f"for m in nvidia nvidia_uvm nvidia_modeset; do printf 'slow 300\\n' >/var/lib/standin/$m-{node.NEW}; done; sync")
        want(machine, node.NEW)
        machine.run("sync")
        machine.crash(f"systemd-run -q --unit=crash crash-at {JOURNAL} {step} power; ask-agent /driver/upgrade")
        seconds = machine.boot()
        version = node.whole(machine, {node.OLD, node.NEW})
        print(f"#   power failed at step {step}: {version}; booted in {seconds:.0f} s", flush=True)
        machine.power_off()


def test_after_a_reboot_driver_and_cdi_are_there_before_the_kubelet(machine):
    node.managed(machine)
    machine.shut_down()
    machine.boot()
    node.registered(machine)
    log = node.kubelet_log(machine)
    started = next(event for _, event in log if event[0] == "started")
    assert "none" not in started, log
    registered = next(moment for moment, event in log if event[0] == "registered")
    print(f"# boot to registered: {registered:.1f} s after the kernel began, {registered - log[0][0]:.1f} s after the kubelet")
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
    answer, done = ask(machine, "unload")
    assert done, answer
    machine.run("modprobe nouveau")
    answer, done = ask(machine, "load")
    assert done, answer
    assert node.whole(machine, {node.OLD}) == node.OLD
    assert machine.run("grep -c ^nouveau /proc/modules", check=False).out.strip() == "0"


def test_a_modprobe_that_hangs_is_given_up_and_told(machine):
    node.managed(machine)
    want(machine, node.NEW, "  limits:\n    load: 5s\n")
    machine.run(f"echo 'slow 600000' >/var/lib/standin/nvidia-{node.NEW}")
    answer, done = ask(machine, "upgrade")
    assert not done and answer.splitlines()[-1].startswith("back"), answer
    assert node.whole(machine, {node.OLD}) == node.OLD
