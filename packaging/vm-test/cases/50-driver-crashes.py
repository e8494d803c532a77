"""Every step of every change of the driver, crashed at: the agent killed, or the power gone. What comes up again ends in a whole driver, or whole without one.

VM_TEST_STEPS=3 crashes at each third step only, VM_TEST_STEPS=4,7 at these; VM_TEST_CRASHES=FILE has the table of the outcomes written there.
"""

import contextlib
import os
import time

import node
import vmtest

skip = node.skip_without_package

JOURNAL = "/var/lib/gpu-node-agent/driver.journal"
# Loading takes longer than a crash takes to come.
SLOW = "for m in nvidia nvidia_uvm nvidia_modeset; do echo 'slow 300' >/var/lib/standin/$m; done"


# A change whose way back is crashed at: an upgrade to a driver of which one module does not load.
RETURN = "return"


def command(change):
    return "upgrade" if change == RETURN else change


def versions(change):
    return {node.OLD, node.NEW} if change == "upgrade" else {node.OLD}


def before(change):
    """A node just before a change; from memory that was kept."""

    def prepare(machine):
        machine.run(SLOW)
        if command(change) == "upgrade":
            node.want(machine, node.NEW)
        if change == RETURN:
            machine.run(f"echo 'fail 22' >/var/lib/standin/nvidia_uvm-{node.NEW}")
        if change == "load":
            answer, done = node.ask(machine, "unload")
            assert done, answer
        machine.run("sync")

    return vmtest.kept(f"{change}-{node.digest_of_package()}", prepare, node.managed_state)


def steps(machine, change):
    """The steps of a change, as one that goes well tells them; those of the way back where that is what is crashed at."""
    machine.resume(before(change))
    answer, done = node.ask(machine, command(change))
    assert done == (change != RETURN), answer
    machine.power_off()
    kind = "step back: " if change == RETURN else "step "
    return [line.removeprefix(kind) for line in answer.splitlines() if line.startswith(kind)]


def note(line, seconds):
    print("#   " + line.replace("\n", "\n#     ") + f" ({seconds:.0f} s)", flush=True)
    if os.environ.get("VM_TEST_CRASHES"):
        with open(os.environ["VM_TEST_CRASHES"], "a", encoding="utf-8") as file:
            file.write(line + "\n")


def chosen(number):
    """Every step, each third with VM_TEST_STEPS=3, or those of VM_TEST_STEPS=4,7."""
    wanted = os.environ.get("VM_TEST_STEPS", "1")
    return [step for step in range(1, number + 1) if str(step) in wanted.split(",")] if "," in wanted else range(1, number + 1, int(wanted))


def crash(machine, change, how, delay=0):
    """Crashes at each step of a change, and looks what it ends in; one that ends badly does not keep the others from being tried."""
    texts = steps(machine, change)
    failures = []
    for step in chosen(len(texts)):
        begin = time.monotonic()
        machine.resume(before(change))
        order = f"systemd-run -q --unit=crash crash-at {JOURNAL} {'back:' if change == RETURN else ''}{step} {how} {delay}; ask-agent /driver/{command(change)}"
        moment = how if delay == 0 else f"{how} after {delay} ms"
        try:
            outcome = (after_a_kill if how == "kill" else after_a_power_failure)(machine, change, order)
        except Exception as error:
            outcome = f"FAILED: {error}"
            failures.append(step)
            if machine.is_running():
                with contextlib.suppress(Exception):
                    outcome += "\n" + machine.run("journalctl -b -u gpu-node-agent -u crash --no-pager -n 25 -o short-monotonic", 30, check=False).out
        note(f"{change} | {step} of {len(texts)}: {texts[step - 1]} | {moment} | {outcome}", time.monotonic() - begin)
        machine.power_off()
    assert not failures, f"at steps {failures}"


def after_a_kill(machine, change, order):
    pid = node.main_pid(machine)
    machine.run(order, check=False, seconds=node.START_SECONDS)
    machine.until("test -n \"$(journalctl -u crash --no-pager -o cat | grep next)\"", 30)
    moment = float(machine.run("journalctl -u crash --no-pager -o cat | grep next").out.split()[0])
    machine.until(f"p=$(systemctl show -P MainPID gpu-node-agent); test $p != 0 -a $p != {pid}", 60)
    if change == "unload":
        # It goes on with the unload, and says so.
        machine.until("journalctl -u gpu-node-agent --no-pager | grep -q 'state=UNLOADED'", node.START_SECONDS)
        node.unloaded(machine)
        return f"no driver, {node.uptime(machine) - moment:.0f} s later"
    ready = node.registered(machine, after=moment)
    version = node.whole(machine, versions(change))
    return f"{version}, registered {ready - moment:.1f} s later"


def after_a_power_failure(machine, change, order):
    machine.crash(order, node.START_SECONDS)
    machine.boot()
    version = node.whole(machine, versions(change))
    return f"{version}, registered {node.registered(machine):.1f} s after the kernel began"


def test_a_kill_at_any_step_of_an_unload(machine):
    crash(machine, "unload", "kill")


def test_a_power_failure_at_any_step_of_an_unload(machine):
    crash(machine, "unload", "power")


def test_a_kill_at_any_step_of_a_load(machine):
    crash(machine, "load", "kill")


def test_a_power_failure_at_any_step_of_a_load(machine):
    crash(machine, "load", "power")


def test_a_kill_at_any_step_of_an_upgrade(machine):
    crash(machine, "upgrade", "kill")


def test_a_kill_in_the_middle_of_any_step_of_an_upgrade(machine):
    crash(machine, "upgrade", "kill", 150)


def test_a_power_failure_at_any_step_of_an_upgrade(machine):
    crash(machine, "upgrade", "power")


def test_a_kill_at_any_step_of_the_way_back(machine):
    crash(machine, RETURN, "kill")


def test_a_power_failure_at_any_step_of_the_way_back(machine):
    crash(machine, RETURN, "power")


def test_a_power_failure_in_the_middle_of_any_step_of_an_upgrade(machine):
    # By then the step is on the disk for certain: a moment after the file got its name its directory is not.
    crash(machine, "upgrade", "power", 150)
