"""A real systemd, in namespaces of its own, over a copy of this host's files that is thrown away.

    with Booted({"/etc/systemd/system/x.service": "…"}) as host:
        host.run("systemctl", "start", "x.service")

It is pid 1 of its pid namespace, has its own network and its own branch of each hierarchy of
control groups, and sees this host's root through an overlay: what it writes is in memory. Nothing
that this host has enabled is started, kernel settings and /sys are read-only, and the process
capabilities that reach beyond the namespaces (modules, the clock) are gone. The package is there as
if installed, with the Python and the libraries of who runs the tests.

Needs root, overlayfs, and either the hierarchy ``name=systemd`` (tried) or only cgroup v2 (not
tried: there its limits need controllers that the root group passes on).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import final

from packages.layout import COMMAND, LAUNCHER, LIBRARY
from tests.lab.cluster import await_
from tests.support.confined import checked, make_devices
from tests.support.programs import find_program

ROOT = Path(__file__).resolve().parent.parent.parent
SYSTEMD = "/lib/systemd/systemd"
TARGET = "booted.target"
SITE = "/opt/site-packages"
INTERPRETER = Path(sys.executable).resolve()
_USED = {"name=systemd", "memory", "pids", "cpu", "cpuacct", "devices", "blkio"}
_NEWNS, _NEWPID, _OTHERS = 0x20000, 0x20000000, 0x02000000 | 0x04000000 | 0x08000000 | 0x40000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@final
class Booted:
    """A running systemd; ``files`` are written into its root before it starts, by path."""

    def __init__(self, files: Mapping[str, str]) -> None:
        find_program(SYSTEMD, package="systemd")
        self._base = Path(tempfile.mkdtemp(prefix="booted-"))
        words = [sys.executable, "-m", "tests.support.booted", str(self._base)]
        self._helper = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps(dict(files)) + "\n")
        self._helper.stdin.flush()
        told = self._helper.stdout.readline()
        if not told:  # its traceback is on stderr
            self._helper.wait()
            self._base.rmdir()
            raise RuntimeError(
                "no systemd could be booted here; tests/support/booted.py needs root"
            )
        self.pid = int(told)

    def __enter__(self) -> Booted:
        try:
            self.await_property(TARGET, "ActiveState", "active")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, and with it all that runs there."""
        self._helper.communicate(timeout=60)
        self._base.rmdir()  # what was mounted there was seen by the helper alone

    def words(self, *command: str) -> list[str]:
        """Write the command that runs another one on that host, as root."""
        return ["nsenter", f"--target={self.pid}", "--all", "--root", "--wd", "--", *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(self.words(*command), capture_output=True, text=True, check=False)

    def ask(self, *words: str) -> str:
        """Return what systemctl says."""
        return self.run("systemctl", *words).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.ask("show", unit, f"--property={name}", "--value")

    def await_property(self, unit: str, name: str, value: str) -> None:
        """Wait until a property of a unit has a value."""
        await_(
            lambda: self.show(unit, name) == value,
            60,
            lambda: f"{unit}: no {name}={value}:\n{self.run('systemctl', 'status', unit)}",
        )

    def program(self, *words: str) -> list[str]:
        """Write the command that runs Python code of the project there, as root."""
        paths = f"PYTHONPATH=/{LIBRARY}:{SITE}"
        return self.words("env", paths, "PYTHONDONTWRITEBYTECODE=1", str(INTERPRETER), *words)

    def path(self, name: str) -> Path:
        """Return where a file of that host is seen from here."""
        return Path(f"/proc/{self.pid}/root{name}")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _hierarchies() -> list[str]:
    """Name this host's hierarchies of control groups that systemd uses; "" is that of v2."""
    lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    present = [line.split(":", 2)[1] for line in lines]
    return [each for each in present if not each or set(each.split(",")) & _USED]


def _mount_hierarchy(name: str, where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    if not name:
        _mount("-t", "cgroup2", "cgroup", str(where))
    else:
        option = f"none,{name}" if name.startswith("name=") else name
        _mount("-t", "cgroup", "-o", option, "cgroup", str(where))


def _control_groups(where: Path) -> None:
    """Mount the hierarchies where systemd looks for them."""
    names = _hierarchies()
    if names == [""]:
        _mount_hierarchy("", where)
        return
    _mount("-t", "tmpfs", "tmpfs", str(where))
    for name in names:
        _mount_hierarchy(name, where / (name.rpartition("=")[2] or "unified"))


def _build_root(base: Path) -> Path:
    """Put an overlay over this host's root, with the package in it and nothing enabled."""
    upper, work, root = base / "upper", base / "work", base / "root"
    for path in (upper, work, root):
        path.mkdir()
    layers = f"lowerdir=/,upperdir={upper},workdir={work}"
    _mount("-t", "overlay", "-o", layers, "overlay", str(root))
    # in the overlay, which is what makes these go
    for units in ("etc/systemd/system", "usr/lib/systemd/system"):
        for wants in (root / units).glob("*.wants"):
            shutil.rmtree(wants)
    _install(root)
    return root


def _install(root: Path) -> None:
    """Lay the package out, with the Python that runs the tests in place of the host's own."""
    for name, source in {LIBRARY: ROOT, SITE: Path(sysconfig.get_path("purelib"))}.items():
        target = root / name.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(source), str(target))
    for directory in INTERPRETER.parents:  # it may lie below root's home, which is closed
        there = root / str(directory).lstrip("/")
        there.chmod(there.stat().st_mode | 0o011)
    text = LAUNCHER.replace("/usr/bin/python3", str(INTERPRETER))
    text = text.replace("import sys\n", f'import sys\nsys.path.insert(0, "{SITE}")\n')
    (root / COMMAND).write_text(text, encoding="utf-8")
    (root / COMMAND).chmod(0o755)


def _kernel_files(root: Path) -> None:
    """Mount what is the kernel's: read-only where it is of the whole host."""
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("--bind", "-o", "ro", str(root / "proc/sys"), str(root / "proc/sys"))
    _mount("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    _control_groups(root / "sys/fs/cgroup")
    for name in ("run", "tmp"):
        _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / name))
    _devices(root / "dev")


def _devices(where: Path) -> None:
    """Make the few devices, and the file systems below /dev that PrivateDevices= takes along."""
    make_devices(str(where))
    for name in ("pts", "shm", "mqueue", "hugepages"):
        (where / name).mkdir()
    _mount("-t", "devpts", "-o", "newinstance,ptmxmode=666", "devpts", str(where / "pts"))
    (where / "ptmx").symlink_to("pts/ptmx")
    (where / "kmsg").touch()  # where systemd writes what it does


def _become_systemd(root: Path, groups: list[Path]) -> None:
    """In the new pid namespace, as its first process: take the other namespaces, and execute."""
    checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    for group in groups:
        (group / "cgroup.procs").write_text("0", encoding="ascii")
    checked(_libc.unshare(_OTHERS), "unshare")
    _kernel_files(root)
    os.chroot(root)
    os.chdir("/")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "container": "tests"}
    beyond = "-sys_module,-sys_time,-syslog"
    words = ["setpriv", f"--bounding-set={beyond}", "--", SYSTEMD, "--system", f"--unit={TARGET}"]
    os.execvpe(words[0], words, environment)  # noqa: S606 -- what it is for


def _first_process(then: Callable[[], None]) -> int:
    """Start the first process of a new pid namespace; returns its pid as seen here."""
    checked(_libc.unshare(_NEWPID), "unshare")
    child = os.fork()
    if not child:
        try:
            then()
        finally:
            os._exit(1)
    return child


def _remove(group: Path) -> None:
    for path, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)  # noqa: PTH106 -- a control group is no directory to be emptied


def _own_groups(base: Path) -> list[Path]:
    """Make a branch of each hierarchy."""
    groups = []
    for number, name in enumerate(_hierarchies()):
        _mount_hierarchy(name, base / f"groups{number}")
        groups.append(base / f"groups{number}" / base.name)
        groups[-1].mkdir()
    return groups


def main(base: Path) -> None:
    """Boot it, tell its pid, and end it when stdin ends; all mounts go with this process."""
    files: dict[str, str] = json.loads(sys.stdin.readline())
    checked(_libc.unshare(_NEWNS), "unshare")
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "tmpfs", str(base))
    groups, root = _own_groups(base), _build_root(base)
    for path, text in {f"/etc/systemd/system/{TARGET}": "[Unit]\n", **files}.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    pid = _first_process(lambda: _become_systemd(root, groups))
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for group in groups:
        _remove(group)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
