"""The virtual machine of the VM test: starts it from its disk or as it was right after booting, runs commands in it, and ends it hard or gently.

Every wait has a limit, and a wait that ends in vain shows what the guest's console said last. Nothing here needs more than Python's own library,
qemu and what build.sh made.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "target"
IMAGE = TARGET / "image"
MEMORY_MIB = 1024
PROCESSORS = 2
BOOT_SECONDS = 180
COMMAND_SECONDS = 120
CONNECT_SECONDS = 30
# What one message to the guest may hold; it takes less than a MiB.
CHUNK = 256 * 1024


class VmError(Exception):
    """The machine did not do what it had to, within its limit."""


class CommandFailed(Exception):
    """A command in the guest ended with another status than 0."""

    def __init__(self, script, result):
        super().__init__(f"ended with {result.status}: {script}\n{result.out}{result.err}".rstrip())
        self.result = result


class Result:
    """What a command in the guest wrote, and its exit status: 124 when it took too long, 128 and the signal's number when one ended it."""

    def __init__(self, status, out, err):
        self.status = status
        self.out_bytes = out
        self.out = out.decode(errors="replace")
        self.err = err.decode(errors="replace")


def _receive(connection, count):
    parts = []
    while count > 0:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise VmError("the machine closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Machine:
    """One machine with its own disk, all in one folder. Commands may come from one process at a time."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.disk = self.folder / "disk.qcow2"
        self.console = self.folder / "console.log"
        self.qemu_log = self.folder / "qemu.log"
        self._connection = None
        self._qemu = None
        self.folder.mkdir(parents=True, exist_ok=True)

    # ---- starting

    def _create_disk(self):
        base = (IMAGE / "disk.raw").resolve()
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(self.disk)], check=True, timeout=60
        )

    def boot(self, kernel_options="", wait=True):
        """Starts from the disk, as after power came back; the first time from a fresh one. Returns the seconds until systemd was done."""
        begin = time.monotonic()
        if not self.disk.exists():
            self._create_disk()
        self._start(kernel_options, [])
        if wait:
            self.wait_booted()
        return time.monotonic() - begin

    def wait_booted(self, seconds=BOOT_SECONDS):
        """Until systemd has done what it does at start; a unit that failed is the test's matter."""
        end = time.monotonic() + seconds
        self._connect(seconds)
        result = self.run("systemctl is-system-running --wait", seconds=max(1, end - time.monotonic()), check=False)
        if result.out.strip() not in ("running", "degraded"):
            raise self._error(f"systemd did not get ready within {seconds} s: {result.out} {result.err}")

    def resume(self, state=None):
        """As right after a boot, in about a second: from memory and disk that were kept. What was on this machine's disk is gone."""
        booted = state or booted_state()
        begin = time.monotonic()
        shutil.copyfile(booted / "disk.qcow2", self.disk)
        self._start("", ["-incoming", f"exec:cat {booted / 'memory'}"])
        with self._qmp() as qmp:
            qmp.wait_status("running", 60)
        self._connect(CONNECT_SECONDS)
        self.run(f"date -s @{time.time():.3f}")
        return time.monotonic() - begin

    def _start(self, kernel_options, more):
        if self.is_running():
            raise VmError("the machine is running")
        for name in ("qmp", "guest"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        options = f"console=ttyS0 quiet loglevel=4 mitigations=off nokaslr audit=0 random.trust_cpu=on panic=-1 {kernel_options}"
        command = [
            "qemu-system-x86_64",
            "-name", "gpunode-vm-test",
            "-machine", "pc,usb=off,hpet=off",
            "-accel", "tcg,thread=multi,tb-size=256",
            "-cpu", "max,la57=off",
            "-smp", str(PROCESSORS),
            "-m", str(MEMORY_MIB),
            "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot",
            "-kernel", str(IMAGE / "vmlinuz"),
            "-initrd", str(IMAGE / "initramfs"),
            "-append", options,
            "-drive", f"file={self.disk},format=qcow2,if=none,id=disk,cache=writeback",
            "-device", "virtio-blk-pci,drive=disk",
            "-device", "virtio-serial-pci",
            "-chardev", "socket,id=guest,path=guest,server=on,wait=off",
            "-device", "virtserialport,chardev=guest,name=gpunode.vm",
            "-chardev", "file,id=console,path=console.log,append=on",
            "-serial", "chardev:console",
            "-qmp", "unix:qmp,server=on,wait=off",
            *more,
        ]  # fmt: skip
        # Sockets by their short names: a socket's path has 107 bytes at most.
        with open(self.qemu_log, "ab") as log:
            self._qemu = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (self.folder / "pid").write_text(str(self._qemu.pid))
        self._until(lambda: (self.folder / "guest").exists() and (self.folder / "qmp").exists(), 30, "qemu has not opened its sockets")

    # ---- ending

    def pid(self):
        """Of qemu, or None when it is not running."""
        if self._qemu is not None:
            return self._qemu.pid if self._qemu.poll() is None else None
        try:
            pid = int((self.folder / "pid").read_text())
            if "gpunode-vm-test" in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        except (FileNotFoundError, ValueError, ProcessLookupError):
            pass
        return None

    def is_running(self):
        return self.pid() is not None

    def power_off(self):
        """As if the plug were pulled: what the guest has not flushed to its disk is lost."""
        self._disconnect()
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait_ended(30)

    def shut_down(self, seconds=90):
        """As an administrator does."""
        self._connect(CONNECT_SECONDS)
        # Whether its answer comes before the machine has ended is a matter of luck.
        self._send(b"R", struct.pack(">I", int(seconds)) + b"systemctl poweroff")
        self.wait_ended(seconds)
        self._disconnect()

    def crash(self, script, seconds=COMMAND_SECONDS * 2):
        """Runs a script that resets the machine; returns when it has."""
        self._connect(CONNECT_SECONDS)
        self._send(b"R", struct.pack(">I", seconds) + script.encode())
        self._until(lambda: not self.is_running(), seconds, f"the machine was not reset by: {script}", running=False)
        self._disconnect()

    def wait_ended(self, seconds):
        self._until(lambda: not self.is_running(), seconds, "qemu has not ended", running=False)

    # ---- commands

    def run(self, script, seconds=COMMAND_SECONDS, check=True, stdin=b""):
        """Runs a script with bash in the guest."""
        self._connect(CONNECT_SECONDS)
        text = script.encode()
        for at in range(0, len(stdin), CHUNK):
            self._send(b"I", stdin[at : at + CHUNK])
        self._send(b"R", struct.pack(">I", max(1, int(seconds))) + text)
        out, err = [], []
        end = time.monotonic() + seconds + 30
        while True:
            kind, body = self._message(end, script)
            if kind == b"O":
                out.append(body)
            elif kind == b"E":
                err.append(body)
            elif kind == b"X":
                result = Result(struct.unpack(">I", body)[0], b"".join(out), b"".join(err))
                if check and result.status != 0:
                    raise CommandFailed(script, result)
                return result

    def until(self, script, seconds, every=0.2):
        """Repeats a script until it ends with 0; returns its result."""
        end = time.monotonic() + seconds
        while True:
            result = self.run(script, seconds=max(1, end - time.monotonic()), check=False)
            if result.status == 0:
                return result
            if time.monotonic() > end:
                raise self._error(f"not within {seconds} s: {script}\n{result.out}{result.err}")
            time.sleep(every)

    def push(self, source, destination, mode=None):
        """Copies a file, or a folder with all in it, into the guest."""
        source = pathlib.Path(source)
        if source.is_dir():
            packed = subprocess.run(["tar", "-C", str(source), "-cf", "-", "."], check=True, stdout=subprocess.PIPE, timeout=120).stdout
            self.run(f"mkdir -p '{destination}' && tar -C '{destination}' -xf -", stdin=packed)
        else:
            mode = mode if mode is not None else f"{source.stat().st_mode & 0o777:o}"
            self.write(destination, source.read_bytes(), mode)

    def write(self, destination, content, mode="644"):
        """Writes a file in the guest, with the folders above it."""
        content = content.encode() if isinstance(content, str) else content
        self.run(f"mkdir -p \"$(dirname '{destination}')\" && cat >'{destination}' && chmod {mode} '{destination}'", stdin=content)

    def pull(self, source, destination):
        """Copies a file out of the guest."""
        pathlib.Path(destination).write_bytes(self.run(f"cat '{source}'").out_bytes)

    def attach(self, image):
        """Gives the running machine one more disk, /dev/vdb, that shows an image; what the guest writes goes into a file of its own."""
        disk = self.folder / "attached.qcow2"
        disk.unlink(missing_ok=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(pathlib.Path(image).resolve()), str(disk)], check=True, timeout=60)
        with self._qmp() as qmp:
            qmp.command("blockdev-add", **{"driver": "qcow2", "node-name": "attached", "file": {"driver": "file", "filename": str(disk)}})
            qmp.command("device_add", driver="virtio-blk-pci", drive="attached", id="attached")
        self.until("test -b /dev/vdb", 30)

    # ---- what it stands on

    def keep(self, folder):
        """Writes memory and disk of the running machine to a folder and ends it."""
        self._disconnect()
        with self._qmp() as qmp:
            qmp.command("migrate", uri=f"exec:cat >{folder}/memory")
            qmp.wait_migrated(120)
            qmp.command("quit")
        self.wait_ended(30)
        shutil.move(self.disk, folder / "disk.qcow2")

    def _until(self, condition, seconds, complaint, running=True):
        end = time.monotonic() + seconds
        while not condition():
            if running and not self.is_running():
                raise self._error("qemu ended")
            if time.monotonic() > end:
                raise self._error(f"{complaint} within {seconds} s")
            time.sleep(0.02)

    @contextlib.contextmanager
    def _qmp(self):
        monitor = _Monitor(self.folder / "qmp")
        try:
            yield monitor
        finally:
            monitor.close()

    def _connect(self, seconds):
        if self._connection is not None:
            return
        end = time.monotonic() + seconds
        self._connection = self._open()
        number = os.urandom(8)
        # Bytes that come before the guest listens may be lost, so it is asked again; all that an earlier connection left is passed over.
        while True:
            try:
                self._send(b"H", number)
                again = time.monotonic() + 1
                while time.monotonic() < again:
                    kind, body = self._message(again, "hello")
                    if kind == b"Y" and body == number:
                        return
            except TimeoutError:
                # A message may have come in part: begin anew.
                self._disconnect()
                if not self.is_running():
                    raise self._error("the machine ended") from None
                if time.monotonic() > end:
                    raise self._error(f"the guest does not answer within {seconds} s") from None
                self._connection = self._open()

    def _open(self):
        try:
            return connect(self.folder / "guest")
        except OSError as error:
            raise self._error(f"the machine does not listen: {error}") from error

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, kind, body):
        self._connection.settimeout(60)
        self._connection.sendall(kind + struct.pack(">I", len(body)) + body)

    def _message(self, end, what):
        try:
            self._connection.settimeout(max(0.01, end - time.monotonic()))
            kind, count = struct.unpack(">cI", _receive(self._connection, 5))
            return kind, _receive(self._connection, count)
        except TimeoutError:
            if what == "hello":
                raise
            raise self._error(f"no answer to: {what}") from None
        except (VmError, OSError) as error:
            self._disconnect()
            raise self._error(f"the machine ended or reset during: {what} ({error})") from None

    def _error(self, text):
        return VmError(f"{text}\n--- the console's last lines ---\n{self.console_tail()}\n--- qemu ---\n{tail(self.qemu_log, 10)}")

    def console_tail(self, lines=40):
        return tail(self.console, lines)


class _Monitor:
    """qemu's own control connection."""

    def __init__(self, path):
        self.connection = connect(path)
        self.connection.settimeout(30)
        self.file = self.connection.makefile("rwb")
        json.loads(self.file.readline())
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                if name == "quit":
                    return None
                raise VmError(f"qemu ended at {name}")
            answer = json.loads(line)
            if "error" in answer:
                raise VmError(f"qemu refuses {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def wait_status(self, status, seconds):
        end = time.monotonic() + seconds
        while self.command("query-status")["status"] != status:
            if time.monotonic() > end:
                raise VmError(f"the machine is not {status} within {seconds} s")
            time.sleep(0.02)

    def wait_migrated(self, seconds):
        end = time.monotonic() + seconds
        while True:
            status = self.command("query-migrate").get("status")
            if status == "completed":
                return
            if status == "failed" or time.monotonic() > end:
                raise VmError(f"the machine's memory could not be written: {status}")
            time.sleep(0.05)

    def close(self):
        self.connection.close()


def connect(path):
    """To a unix socket whose path may be longer than a socket's address, and which qemu may not listen at yet."""
    end = time.monotonic() + 10
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(f"/proc/self/fd/{folder}/{path.name}")
                return connection
            except OSError:
                connection.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
    finally:
        os.close(folder)


def tail(path, lines):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(nothing)"


def booted_state():
    """Memory and disk of a machine that has just booted, made once for each image."""
    return _kept("booted", Machine.boot)


def kept(name, prepare, base=booted_state):
    """Memory and disk of a machine that was prepared after it had booted, or from another state, made once for each image and name (KIND-DIGEST)."""
    state = base()

    def begin(machine):
        machine.resume(state)
        prepare(machine)

    return _kept(name, begin)


def _kept(name, begin):
    image = IMAGE.resolve().name.removeprefix("image-")
    state = TARGET / "kept" / f"{name}-{image}"
    if state.exists():
        return state
    for old in (TARGET / "kept").glob(name.split("-")[0] + "-*"):
        shutil.rmtree(old)
    part = TARGET / "kept" / "part"
    shutil.rmtree(part, ignore_errors=True)
    machine = Machine(part / "machine")
    try:
        begin(machine)
        # What the guest has not written yet is in its memory, which is kept too.
        machine.keep(part)
    finally:
        machine.power_off()
    shutil.rmtree(part / "machine")
    part.rename(state)
    return state


if __name__ == "__main__":
    sys.exit("vmtest.py is a library: use the program vm beside it")
