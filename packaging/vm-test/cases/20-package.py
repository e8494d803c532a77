"""The agent's package on a fresh machine: install and enable, what may go wrong with the process, upgrade, remove, purge."""

import node

skip = node.skip_without_package


def start(machine):
    """The agent as enabled, and the kubelet; returns when the GPUs were registered."""
    machine.run("systemctl enable -q --now kubelet; systemctl enable -q --now gpu-node-agent", seconds=node.START_SECONDS)
    return node.registered(machine)


def test_two_commands_give_a_registered_node_also_with_noexec_tmp(machine):
    machine.resume()
    machine.run(f"mount -t tmpfs -o noexec,nosuid,nodev tmpfs /tmp; standin-install --nodes {node.OLD}; systemctl enable -q --now kubelet")
    node.install(machine)
    machine.run("systemctl enable --now gpu-node-agent", seconds=node.START_SECONDS)
    node.registered(machine)
    # Active, the line with the node's state, and nothing unpacked.
    status = machine.run("systemctl status gpu-node-agent --no-pager", check=False)
    assert "active (running)" in status.out and "Status:" in status.out, status.out
    assert machine.run("find /tmp -type f").out == ""
    assert "nvidia.com/gpu" in machine.run("cat /var/run/cdi/*").out
    assert machine.run("cat /sys/module/nvidia/refcnt").out.strip() != "0"
    report = machine.run("gpu-node-agent status", seconds=node.START_SECONDS, check=False)
    assert report.status == 0, report.out + report.err


def test_a_killed_agent_and_one_that_hangs_are_started_again(machine):
    node.ready(machine)
    machine.run("mkdir -p /etc/systemd/system/gpu-node-agent.service.d; printf '[Service]\\nTimeoutAbortSec=2s\\n' >/etc/systemd/system/gpu-node-agent.service.d/test.conf; systemctl daemon-reload")
    start(machine)
    first = node.main_pid(machine)
    moment = node.uptime(machine)
    machine.run(f"kill -9 {first}")
    node.registered(machine, after=moment)
    second = node.main_pid(machine)
    assert second != first
    # The watchdog: a process that stands still is ended and started again.
    machine.run(f"kill -STOP {second}")
    machine.until(f'test "$(systemctl show -P MainPID gpu-node-agent)" != {second}', 150, every=2)
    assert "Watchdog timeout" in machine.run("journalctl -u gpu-node-agent --no-pager").out
    node.registered(machine)


def test_an_upgrade_keeps_configuration_state_and_running_containers(machine):
    node.ready(machine)
    start(machine)
    machine.run("cp /etc/gpu-node-agent/config.yaml /root/before; echo '# ours' >>/etc/gpu-node-agent/config.yaml; echo kept >/var/lib/gpu-node-agent/of-ours")
    machine.run("systemd-run -q --unit=container hold-device /dev/nvidia0")
    holder = machine.run("systemctl show -P MainPID container").out
    before = node.main_pid(machine)
    moment = node.uptime(machine)
    newer = node.with_version(node.package(), "99.0.0")
    node.install(machine, newer)
    node.registered(machine, after=moment)
    assert node.main_pid(machine) != before
    assert machine.run("dpkg-query -W -f '${Version}' gpu-node-agent").out == "99.0.0"
    assert machine.run("tail -n 1 /etc/gpu-node-agent/config.yaml").out == "# ours\n"
    assert machine.run("cat /var/lib/gpu-node-agent/of-ours").out == "kept\n"
    assert machine.run("systemctl show -P MainPID container").out == holder
    assert machine.run("systemctl is-enabled gpu-node-agent").out == "enabled\n"


def test_remove_stops_and_cleans_and_purge_leaves_nothing(machine):
    node.ready(machine)
    start(machine)
    machine.run("dpkg -r gpu-node-agent", seconds=node.START_SECONDS)
    assert machine.run("pgrep -f gpu-node-agent.jar", check=False).status == 1
    machine.until("tac /run/standin-kubelet/log | grep -m 1 -q lost", 10)
    assert machine.run("ls /usr/lib/gpu-node-agent /var/cache/gpu-node-agent /var/run/gpu-node-agent", check=False).out == ""
    assert machine.run("test -e /etc/gpu-node-agent/config.yaml && test -e /var/lib/gpu-node-agent", check=False).status == 0
    # Nobody but the module above it.
    assert machine.run("cat /sys/module/nvidia/refcnt; ls /sys/module/nvidia/holders").out == "1\nnvidia_uvm\n"
    machine.run("dpkg -P gpu-node-agent", seconds=node.START_SECONDS)
    left = machine.run("find / -xdev -not -path '/proc/*' -name '*gpu-node-agent*' -not -path '/var/log/*' -not -path '/run/log/*'").out
    assert left == "", left
    assert machine.run("systemctl list-unit-files --no-legend 'gpu-node-agent*'", check=False).out == ""
