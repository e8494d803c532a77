"""What the cases share: a node with the stand-in driver and the packaged agent, and what can be read from it."""

import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import vmtest

OLD = "550.163.01"
NEW = "580.95.05"
GPUS = 4
# An emulated machine that shares its processors starts a Java machine in ten seconds to a minute.
START_SECONDS = 300
DISTRIBUTION = vmtest.HERE.parent / "target" / "dist"
REAL_DRIVER_BUILD = vmtest.HERE.parent.parent / "agent/src/test/scripts/real-driver-build.sh"
# How that script ends when the packages cannot be had.
UNAVAILABLE = 3


def package():
    """The newest .deb of `make package`, or the one that VM_TEST_PACKAGE names; None where there is none."""
    named = os.environ.get("VM_TEST_PACKAGE")
    if named:
        return pathlib.Path(named)
    found = sorted(DISTRIBUTION.glob("gpu-node-agent_*.deb"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def skip_without_package():
    return None if package() else f"no package in {DISTRIBUTION}: make package"


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def digest_of_package():
    return _digest(package())


def _once(name, make):
    """A file or folder below target that is made once for its name; others of the same kind are removed."""
    path = vmtest.TARGET / name
    if not path.exists():
        for old in vmtest.TARGET.glob(name.rpartition("-")[0] + "-*"):
            shutil.rmtree(old)
        part = vmtest.TARGET / (name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        make(part)
        part.rename(path)
    return path


def startup_cache():
    """The start-up cache as the package's own script makes it, in the guest's root on this machine's processor: an emulated one takes minutes."""
    deb = package()

    def make(part):
        with tempfile.TemporaryDirectory(dir=vmtest.TARGET) as root:
            base = next(vmtest.TARGET.glob("root-*.tar"))
            subprocess.run(["tar", "-C", root, "-xf", str(base)], check=True, timeout=120)
            shutil.copy(deb, f"{root}/agent.deb")
            script = f"mount -t proc proc {root}/proc && mount -t sysfs sys {root}/sys && mount --rbind /dev {root}/dev && chroot {root} dpkg -i /agent.deb"
            done = subprocess.run(["unshare", "--mount", "bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
            if done.returncode != 0:
                raise vmtest.VmError(f"the package cannot be installed into a root: {done.stdout.decode(errors='replace')}")
            folder = pathlib.Path(root, "var/cache/gpu-node-agent")
            for file in folder.glob("*.aot"):
                shutil.copy(file, part / file.name)

    return _once(f"cache-{_digest(deb)}", make)


def with_version(deb, version, change=lambda folder: None):
    """The same package as another version, for upgrades."""

    def make(part):
        subprocess.run(["dpkg-deb", "-R", str(deb), str(part / "tree")], check=True, timeout=120)
        control = part / "tree/DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
        change(part / "tree")
        subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", str(part / "tree"), str(part / "agent.deb")], check=True, timeout=120, stdout=subprocess.PIPE)
        shutil.rmtree(part / "tree")

    return _once(f"version-{version}-{_digest(deb)}", make) / "agent.deb"


def install(machine, deb=None):
    """As an administrator does, but for the start-up cache, which is brought along."""
    for file in startup_cache().iterdir():
        machine.push(file, f"/var/cache/gpu-node-agent/{file.name}", "644")
    machine.push(deb or package(), "/root/agent.deb")
    return machine.run("dpkg -i /root/agent.deb", seconds=START_SECONDS)


def ready(machine, name="installed"):
    """A machine with the driver's files, the kubelet and the agent's package, nothing of it started: from memory that was kept."""

    def prepare(machine):
        machine.run(f"standin-install --nodes {OLD}")
        install(machine)
        machine.run("rm /root/agent.deb")

    machine.resume(vmtest.kept(f"{name}-{_digest(package())}", prepare))


def registered(machine, seconds=START_SECONDS, healthy=GPUS, after=0.0):
    """Waits until the kubelet has so many healthy GPUs, told after a moment in seconds since boot; returns when it was told."""
    machine.until(
        f"tac /run/standin-kubelet/log | awk '/devices|lost|started/ {{ exit !($1 > {after} && $2 == \"devices\" && $4 == {healthy}) }} END {{ if (!NR) exit 1 }}'",
        seconds,
    )
    return max(moment for moment, event in kubelet_log(machine) if event[:2] == ["devices", "nvidia.com/gpu"])


def kubelet_log(machine):
    """Moments in seconds since boot and their events, as words."""
    lines = machine.run("cat /run/standin-kubelet/log", check=False).out.splitlines()
    return [(float(line.split()[0]), line.split()[1:]) for line in lines]


def uptime(machine):
    return float(machine.run("cat /proc/uptime").out.split()[0])


def main_pid(machine):
    return int(machine.run("systemctl show -P MainPID gpu-node-agent").out)


def json_of(machine, command, seconds=START_SECONDS):
    return json.loads(machine.run(f"{command} --output json", seconds=seconds).out)


# ---- NVIDIA's own modules


class Unavailable(Exception):
    """What a case needs cannot be had on this machine."""


def real_driver():
    """An image of the agent's store with NVIDIA's open modules for the guest's kernel, as `driver build` makes it of Debian's packages, once for each kernel."""
    release = (vmtest.IMAGE / "release").read_text().strip()
    flavour = re.sub(r"^[0-9.]+-[0-9]+-", "", release)

    def make(part):
        begin = time.monotonic()
        system = part / "system"
        log = vmtest.TARGET / "nvidia-modules.log"
        with tempfile.TemporaryDirectory(dir=vmtest.TARGET) as unpacked, open(log, "wb") as out:
            subprocess.run(["dpkg-deb", "-x", str(package()), unpacked], check=True, timeout=120)
            program = pathlib.Path(unpacked, "usr/lib/gpu-node-agent/bin/gpu-node-agent")
            command = [str(REAL_DRIVER_BUILD), str(system), str(program), f"linux-headers-{flavour}"]
            status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=1800, check=False).returncode
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        if status == UNAVAILABLE:
            raise Unavailable(last)
        if status != 0:
            raise vmtest.VmError(f"NVIDIA's modules were not built ({last}): see {log}")
        built = sorted(path.name for path in (system / "usr/lib/modules").iterdir())
        if release not in built:
            raise Unavailable(f"Debian has headers for {', '.join(built)} now and the image's kernel is {release}: remove {vmtest.TARGET} and begin anew")
        store = system / "var/lib/gpu-node-agent/drivers"
        image = part / "store.raw"
        size = int(subprocess.run(["du", "-sm", str(store)], check=True, stdout=subprocess.PIPE, timeout=60).stdout.split()[0])
        subprocess.run(["truncate", "-s", f"{size + size // 8 + 64}M", str(image)], check=True, timeout=60)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(store), str(image)], check=True, timeout=300)
        subprocess.run(["rm", "-rf", "--one-file-system", str(system)], check=True, timeout=300)
        print(f"# NVIDIA's modules for {release}: fetched, built and kept in {time.monotonic() - begin:.0f} s", flush=True)

    digest = hashlib.sha256(release.encode() + REAL_DRIVER_BUILD.read_bytes()).hexdigest()[:16]
    return _once(f"real-{digest}", make) / "store.raw"


@functools.cache
def skip_without_real_driver():
    """Why NVIDIA's modules cannot be had; looked for once in a run."""
    try:
        real_driver()
    except Unavailable as error:
        return str(error)
    return None


REAL_CONFIG = """version: v1
driver:
  manage: true
  source: package
  kernelModuleType: open
"""


def with_real_driver(machine):
    """The agent is installed and not started; NVIDIA's driver is in its store, nothing of a driver is anywhere else, and there is no GPU."""
    ready(machine)
    machine.run("standin-install --remove; rmmod standin_bus; systemctl stop gpu-node-agent kubelet")
    machine.attach(real_driver())
    machine.run("mkdir -p /var/lib/gpu-node-agent/drivers && mount /dev/vdb /var/lib/gpu-node-agent/drivers && rmdir /var/lib/gpu-node-agent/drivers/lost+found")
    machine.write("/etc/gpu-node-agent/config.yaml", REAL_CONFIG)


def nothing_of_a_driver(machine):
    """Asserts that the kernel and the node are as if no driver had ever been tried."""
    closed(machine)
    found = machine.run("ls -d /sys/module/nvidia* /proc/driver/nvidia* /dev/nvidia* /run/nvidia* /sys/bus/pci/drivers/nvidia* 2>/dev/null; grep nvidia /proc/devices /proc/mounts; pgrep nvidia", check=False).out
    assert found == "", found
    assert machine.run("cat /sys/module/firmware_class/parameters/path").out.strip() == ""


# ---- a node whose driver the agent manages

CONFIG = """version: v1
driver:
  manage: true
  source: bundle
  version: "{version}"
  kernelModuleType: open
  bundle:
    path: /root/bundle
"""


def configure(machine, version=OLD, more=""):
    machine.write("/etc/gpu-node-agent/config.yaml", CONFIG.format(version=version) + more)


def driver_bundle():
    """An offline bundle of both versions, for the image's kernel."""
    import bundle

    image = vmtest.IMAGE.resolve()

    def make(part):
        bundle.make(part / "bundle", image / "standin.tar", (image / "release").read_text().strip(), [OLD, NEW])

    return _once(f"bundle-{image.name.removeprefix('image-')}", make) / "bundle"


def managed(machine):
    """The agent manages the driver, has loaded the old version from its store and registered the GPUs; from memory that was kept."""
    machine.resume(managed_state())


def managed_state():
    def prepare(machine):
        machine.run("standin-install --remove; systemctl enable -q --now kubelet")
        install(machine)
        machine.run("rm /root/agent.deb")
        machine.push(driver_bundle(), "/root/bundle")
        configure(machine)
        drop_in(machine)
        machine.run("systemctl enable -q --now gpu-node-agent", seconds=START_SECONDS)
        registered(machine)

    return vmtest.kept(f"managed-{_digest(package())}", prepare)


def drop_in(machine):
    """What the unit needs for the configuration that is there, as the agent prints it."""
    folder = "/etc/systemd/system/gpu-node-agent.service.d"
    machine.run(f"mkdir -p {folder} && gpu-node-agent config systemd >{folder}/driver.conf && systemctl daemon-reload", seconds=START_SECONDS)


def ask(machine, command):
    """Has the agent do it; the lines that it answers with, and whether it was done."""
    result = machine.run(f"ask-agent /driver/{command}", seconds=START_SECONDS, check=False)
    return result.out, result.status == 0


def want(machine, version, more=""):
    """The configuration names another version; the agent has read it."""
    count = "journalctl -u gpu-node-agent --no-pager | grep -c 'configuration read again'"
    before = int(machine.run(count, check=False).out)
    configure(machine, version, more)
    machine.run("systemctl kill -s HUP --kill-who=main gpu-node-agent")
    machine.until(f'test "$({count})" -gt {before}', 60)


def driver_version(machine):
    """Of the loaded module; empty without one."""
    return machine.run("cat /sys/module/nvidia/version 2>/dev/null || true").out.strip()


def modules(machine):
    """The driver's that are in the kernel, with their versions."""
    lines = machine.run("for m in /sys/module/nvidia*; do test -e $m/initstate && echo ${m##*/} $(cat $m/version) $(cat $m/initstate); done; true").out.splitlines()
    assert all(line.split()[2] == "live" for line in lines), lines
    return {line.split()[0]: line.split()[1] for line in lines}


def persistenced(machine):
    """Its process ids."""
    return machine.run("pgrep -x nvidia-persiste", check=False).out.split()


def roots(machine):
    """Of which driver the files at /run/nvidia/driver are, one for each mount there."""
    return machine.run("ls $(findmnt -rno TARGET -t ext4 | grep ^/run/nvidia/driver$ | sed s,$,/usr/lib/x86_64-linux-gnu,) /dev/null | sed -n 's/^libcuda.so.\\([0-9.]*[0-9][0-9]\\)$/\\1/p'").out.split()


def closed(machine):
    """Nothing of a change is under way any more."""
    machine.until("! test -e /var/lib/gpu-node-agent/driver.journal", 60)


def whole(machine, versions):
    """Asserts that the node has one whole driver of these versions: modules, nodes, daemon, files, NVML and what the kubelet was told; returns its version."""
    registered(machine)
    closed(machine)
    version = driver_version(machine)
    assert version in versions, version
    found = modules(machine)
    assert {"nvidia", "nvidia_uvm", "nvidia_modeset"} <= set(found) and set(found.values()) == {version}, found
    machine.run("test -c /dev/nvidia0 && test -c /dev/nvidia3 && test -c /dev/nvidiactl && test -c /dev/nvidia-uvm")
    assert len(persistenced(machine)) == 1, persistenced(machine)
    assert roots(machine) == [version], roots(machine)
    return version


def unloaded(machine):
    """Asserts that nothing of a driver is there."""
    closed(machine)
    assert modules(machine) == {}, modules(machine)
    assert persistenced(machine) == []
    assert roots(machine) == []
    log = [event for _, event in kubelet_log(machine) if event[0] in ("devices", "lost")]
    assert not log or log[-1][0] == "lost" or log[-1][2] == "0", log[-1]
