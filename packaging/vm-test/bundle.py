"""Offline bundles of the stand-in drivers, in the agent's own form (docs/driver.md): a list, and objects that are named by the SHA-256 of their manifests."""

import hashlib
import pathlib
import shutil
import subprocess

MODULES = [("nvidia", []), ("nvidia_uvm", ["nvidia"]), ("nvidia_modeset", ["nvidia"]), ("nvidia_drm", ["nvidia_modeset", "nvidia"]), ("nvidia_peermem", ["nvidia"])]


def _crc32c_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _object(bundle, kind, head, source):
    """Puts the files of a folder under their address; returns it."""
    lines = ["gpu-node-agent-driver 1", *head]
    files, links = [], []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_symlink():
            links.append(f"link\t{name}\t{path.readlink()}")
        elif path.is_file():
            data = path.read_bytes()
            files.append(f"file\t{path.stat().st_mode & 0o777:o}\t{len(data)}\t{hashlib.sha256(data).hexdigest()}\t{crc32c(data):08x}\t{name}")
    text = "\n".join([*lines, *files, *links]) + "\n"
    key = hashlib.sha256(text.encode()).hexdigest()
    place = bundle / kind / key
    shutil.copytree(source, place, symlinks=True)
    (place / "manifest").write_text(text)
    return key


def make(bundle, standin, kernel, versions, kind="open"):
    """Writes a bundle with the drivers of these versions; `standin` is the archive of /opt/standin that build.sh leaves."""
    work = bundle.parent / (bundle.name + ".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    subprocess.run(["tar", "-C", str(work), "-xf", str(standin)], check=True, timeout=60)
    objects = []
    for version in versions:
        # A driver's files for a root lie below "root" in its tree.
        tree_files = work / (version + ".tree")
        tree_files.mkdir()
        shutil.move(work / version / "root", tree_files / "root")
        tree = _object(bundle, "trees", ["kind\ttree", f"version\t{version}", "machine\tx86_64", "origin\tstand-in"], tree_files)
        folder = work / (version + ".modules")
        folder.mkdir()
        head = ["kind\tmodules", f"version\t{version}", "machine\tx86_64", f"type\t{kind}", f"kernel\t{kernel}", f"tree\t{tree}"]
        for name, depends in MODULES:
            file = name.replace("_", "-") + ".ko"
            shutil.copy(work / version / kind / file, folder / file)
            head.append(f"module\t{name}\t{file}\t{','.join(depends) or '-'}\t-")
        objects += [f"trees/{tree}", f"modules/{_object(bundle, 'modules', head, folder)}"]
    (bundle / "gpu-node-agent-bundle").write_text("gpu-node-agent-bundle 1\n" + "\n".join(objects) + "\n")
    shutil.rmtree(work)
    return pathlib.Path(bundle)
