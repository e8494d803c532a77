"""The persistence daemon on real systemd: a child of the agent that outlives it, a unit of the distribution that is taken over, one that does not end."""

import node
import vmtest

skip = node.skip_without_package

UNIT = """[Unit]
Description=NVIDIA Persistence Daemon

[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --no-persistence-mode --verbose
ExecStopPost=/bin/rm -rf /var/run/nvidia-persistenced

[Install]
WantedBy=multi-user.target
"""

HOST = """version: v1
driver:
  manage: true
  source: host
"""


def daemon(machine):
    """Its process id, and the unit that it is in."""
    pids = node.persistenced(machine)
    assert len(pids) == 1, pids
    return pids[0], machine.run(f"cat /proc/{pids[0]}/cgroup").out.strip().rpartition("/")[2]


def another(machine, former):
    """Waits for another daemon than a former one."""
    machine.until(f"p=$(pgrep -x nvidia-persiste) && test $p != {former} -a -S /run/nvidia-persistenced/socket", 60)


def test_a_child_of_the_agent_outlives_it_and_comes_back_when_it_ends(machine):
    node.managed(machine)
    first, unit = daemon(machine)
    assert unit.startswith("gpu-node-agent-nvidia-persistenced-") and unit.endswith(".scope"), unit
    moment = node.uptime(machine)
    machine.run("systemctl restart gpu-node-agent", seconds=node.START_SECONDS)
    node.registered(machine, after=moment)
    assert daemon(machine) == (first, unit)
    machine.run(f"kill -9 {first}")
    another(machine, first)
    second, unit = daemon(machine)
    assert unit.endswith(".scope"), unit
    assert "a daemon has ended by itself and is started again" in machine.run("journalctl -u gpu-node-agent --no-pager").out
    # The next one is stopped by the agent with everything else, and no scope is left.
    answer, done = node.ask(machine, "unload")
    assert done, answer
    node.unloaded(machine)
    machine.until("test -z \"$(systemctl list-units --no-legend --all 'gpu-node-agent-nvidia-persistenced-*')\"", 30)
    assert second not in machine.run("pgrep -x nvidia-persiste", check=False).out.split()


def with_unit(machine):
    """A distribution's driver with its unit of the daemon, enabled and running; the agent manages it."""

    def prepare(machine):
        machine.run(f"standin-install --nodes {node.OLD}")
        machine.write("/etc/systemd/system/nvidia-persistenced.service", UNIT)
        machine.run("systemctl daemon-reload; modprobe nvidia-uvm; systemctl enable -q --now nvidia-persistenced kubelet")
        node.install(machine)
        machine.write("/etc/gpu-node-agent/config.yaml", HOST)
        node.drop_in(machine)
        machine.run("systemctl enable -q --now gpu-node-agent", seconds=node.START_SECONDS)
        node.registered(machine)

    machine.resume(vmtest.kept(f"unit-{node.digest_of_package()}", prepare))


def test_a_unit_of_the_distribution_is_adopted_stopped_and_started_through_systemd(machine):
    with_unit(machine)
    first, unit = daemon(machine)
    assert unit == "nvidia-persistenced.service", unit
    status = machine.run("gpu-node-agent persistenced status", seconds=node.START_SECONDS, check=False)
    assert "started by its unit" in status.out, status.out + status.err
    answer, done = node.ask(machine, "unload")
    assert done, answer
    assert machine.run("systemctl is-active nvidia-persistenced", check=False).out == "inactive\n"
    assert node.modules(machine) == {} and node.persistenced(machine) == []
    answer, done = node.ask(machine, "load")
    assert done, answer
    node.registered(machine)
    second, unit = daemon(machine)
    assert unit == "nvidia-persistenced.service" and second != first
    machine.shut_down()
    machine.boot()
    node.registered(machine)
    assert daemon(machine)[1] == "nvidia-persistenced.service"
    assert set(node.modules(machine).values()) == {node.OLD}


def test_a_unit_that_fails_is_told_and_the_driver_works_without_it(machine):
    with_unit(machine)
    answer, done = node.ask(machine, "unload")
    assert done, answer
    machine.run("echo fail >/var/lib/standin/persistenced")
    answer, done = node.ask(machine, "load")
    assert done and "nvidia-persistenced" in answer.splitlines()[-1], answer
    node.registered(machine)
    status = machine.run("gpu-node-agent persistenced status", seconds=node.START_SECONDS, check=False)
    assert "failed" in status.out, status.out + status.err


def test_a_daemon_that_does_not_end_is_killed_in_time(machine):
    node.managed(machine)
    machine.run("echo deaf >/var/lib/standin/persistenced")
    node.want(machine, node.OLD, "  limits:\n    stop: 3s\n")
    answer, done = node.ask(machine, "unload")
    assert done and "killed" in answer, answer
    node.unloaded(machine)
