"""Runs a program under what a systemd unit takes from it, where no systemd runs.

    python -m tests.support.confined UNIT[,DROP-IN…] USER WRITABLE[,…] -- PROGRAM …

as root. Applied as systemd does: User, NoNewPrivileges, the capability sets, UMask, LimitCORE,
ProtectSystem=strict with the writable directories left out, ProtectHome, ProtectKernelTunables,
ProtectControlGroups, PrivateTmp, PrivateDevices, SystemCallFilter with its error number,
RestrictAddressFamilies, RestrictNamespaces. Not applied: what is about time and control groups
(MemoryMax, TasksMax, CPUQuota, WatchdogSec) and what the filter of system calls makes impossible
anyway (ProtectClock, ProtectHostname, RestrictRealtime, ProtectKernelModules, ProtectKernelLogs).
A key that is neither applied nor named here is an error, so that the unit cannot outgrow this.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

APPLIED = {
    "User", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "UMask",
    "LimitCORE", "ProtectSystem", "ProtectHome", "ProtectKernelTunables", "ProtectControlGroups",
    "PrivateTmp", "PrivateDevices", "SystemCallFilter", "SystemCallErrorNumber",
    "RestrictAddressFamilies", "RestrictNamespaces",
}  # fmt: skip
LEFT_OUT = {
    "Type", "NotifyAccess", "EnvironmentFile", "ExecStart", "ExecReload", "Restart", "RestartSec",
    "RestartPreventExitStatus", "WatchdogSec", "TimeoutStartSec", "TimeoutStopSec",
    "StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "RuntimeDirectoryMode",
    "MemoryMax", "TasksMax", "CPUQuota", "OOMScoreAdjust", "DevicePolicy", "ProtectKernelModules",
    "ProtectKernelLogs", "ProtectClock", "ProtectHostname", "RestrictRealtime",
    "RestrictSUIDSGID", "LockPersonality", "KeyringMode", "SystemCallArchitectures",
}  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent.parent
HIDDEN = ("/tmp", "/var/tmp")  # noqa: S108 -- to be covered, not used
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_RECURSIVE, _RDONLY = 442, 0x8000, 1
_ALLOW, _ERRNO, _NO_SUCH_CALL, _EQUAL = 0x7FFF0000, 0x00050000, -1, 4
_libc = ctypes.CDLL(None, use_errno=True)


def settings(files: Sequence[Path]) -> dict[str, list[str]]:
    """Read the section Service of a unit and its drop-ins; an empty value clears a list."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        section = file.read_text(encoding="utf-8").split("[Service]")[1].split("\n[")[0]
        for key, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
            found[key] = [*found[key], value] if value else []
    unknown = found.keys() - APPLIED - LEFT_OUT
    if unknown:
        raise ValueError(f"neither applied nor known to be left out: {sorted(unknown)}")
    return found


def allowed_calls(lines: Sequence[str]) -> set[str]:
    """Resolve SystemCallFilter= as systemd does: groups, lists to add, lists to take away."""
    calls: set[str] = set()
    for line in lines:
        named = _resolve(line.lstrip("~").split())
        calls = calls - named if line.startswith("~") else calls | named
    return calls | _resolve(["@default"])


def _resolve(names: Sequence[str]) -> set[str]:
    calls: set[str] = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        words = ["systemd-analyze", "syscall-filter", name]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        members = [line.strip() for line in text.splitlines()[1:]]
        calls |= _resolve([word for word in members if word and not word.startswith("#")])
    return calls


class _Argument(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("unused", ctypes.c_uint64),
    )


class _Filter:
    """One seccomp filter, made with libseccomp, which systemd itself uses."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, call: str, first_argument: int = -1) -> None:
        """Say what happens to a call, or to a call with this first argument."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number == _NO_SUCH_CALL:
            return  # of another architecture
        given = _Argument(0, _EQUAL, max(first_argument, 0), 0)
        count = int(first_argument >= 0)
        done = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, count, ctypes.byref(given)
        )
        if done and number >= 0:
            raise OSError(-done, f"seccomp rule for {call}")

    def load(self) -> None:
        """Put it in force, for this process and all that it starts."""
        done = self._library.seccomp_load(self._context)
        if done:
            raise OSError(-done, "seccomp_load")


def filter_calls(unit: dict[str, list[str]]) -> None:
    """Put SystemCallFilter=, RestrictAddressFamilies= and RestrictNamespaces= in force."""
    families = {int(getattr(socket, name)) for name in unit["RestrictAddressFamilies"][0].split()}
    second = _Filter(_ALLOW)
    for family in set(range(64)) - families:
        second.add(_ERRNO | 97, "socket", family)  # EAFNOSUPPORT
    for call in ("setns", "unshare"):
        second.add(_ERRNO | 1, call)
    second.load()
    first = _Filter(_ERRNO | 1)  # EPERM
    for call in allowed_calls(unit["SystemCallFilter"]):
        first.add(_ALLOW, call)
    first.load()


def protect_files(writable: Sequence[str]) -> None:
    """Make all read-only but these directories and a private /tmp, and hide devices."""
    checked(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount(None, "/", _MS_REC | _MS_PRIVATE)
    for path in writable:
        _mount(path, path, _MS_BIND)
    make_devices("/dev")
    _read_only("/", value=True)
    for path in writable:
        _read_only(path, value=False)
    project = os.open(ROOT, os.O_PATH)
    for path in HIDDEN:
        _mount("tmpfs", path, 0, "tmpfs", "mode=1777")
    if ROOT.is_relative_to(HIDDEN[0]) or ROOT.is_relative_to(HIDDEN[1]):
        # a checkout there stays, as the installed package would
        ROOT.mkdir(parents=True)
        _mount(f"/proc/self/fd/{project}", str(ROOT), _MS_BIND | _MS_REC)
    os.close(project)


def make_devices(where: str) -> None:
    """Mount a directory of those few devices in the place of a /dev."""
    sources = {name: os.stat(f"/dev/{name}") for name in DEVICES}  # noqa: PTH116 -- st_rdev
    _mount("tmpfs", where, 0, "tmpfs", "mode=755")
    mask = os.umask(0)
    for name, status in sources.items():
        os.mknod(f"{where}/{name}", status.st_mode, status.st_rdev)
    os.umask(mask)


def _mount(
    source: str | None, target: str, flags: int, kind: str | None = None, data: str | None = None
) -> None:
    words = [word.encode() if word else None for word in (source, target, kind)]
    options = data.encode() if data else None
    flag = ctypes.c_ulong(flags)
    checked(_libc.mount(words[0], words[1], words[2], flag, options), f"mount {target}")


def _read_only(path: str, *, value: bool) -> None:
    attributes = (ctypes.c_uint64 * 4)(_RDONLY if value else 0, 0 if value else _RDONLY, 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE if value else 0)
    done = _libc.syscall(_MOUNT_SETATTR, -100, path.encode(), flags, attributes, 32)
    checked(done, f"mount_setattr {path}")


def checked(result: int, what: str) -> None:
    """Raise OSError when a call of the C library failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def as_user(unit: dict[str, list[str]], user: str) -> list[str]:
    """Write the command that takes the identity and the capabilities."""
    account = pwd.getpwnam(user)

    def these(key: str) -> str:
        names = " ".join(unit[key]).lower().replace("cap_", "").split()
        return ",".join(["-all", *(f"+{name}" for name in names)])

    ambient = these("AmbientCapabilities")
    return [
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--init-groups",
        f"--bounding-set={these('CapabilityBoundingSet')}",
        f"--inh-caps={ambient}",
        f"--ambient-caps={ambient}",
        "--no-new-privs",
        "--",
    ]


def confined(files: Sequence[Path], user: str, writable: Sequence[Path]) -> list[str]:
    """Write the words that go before a program's own."""
    names = ",".join(map(str, files)), user, ",".join(map(str, writable))
    return [sys.executable, "-m", "tests.support.confined", *names, "--"]


def main(words: Sequence[str]) -> None:
    """Confine and execute; started a second time, as the user, for the filters alone.

    The program is opened as root: an interpreter below root's home is closed to the user, and the
    installed one would not be there.
    """
    unit = settings([Path(name) for name in words[0].split(",")])
    program = list(words[words.index("--") + 1 :])
    if words[1] == "--":
        filter_calls(unit)
        descriptor = int(program.pop(0))
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        os.execve(descriptor, program, os.environ)  # noqa: S606 -- what it is for
    descriptor = os.open(shutil.which(program[0]) or program[0], os.O_PATH)
    fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)
    _, user, writable = words[:3]
    protect_files(writable.split(","))
    os.umask(int(unit["UMask"][0], 8))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    again = [sys.executable, "-m", "tests.support.confined", words[0], "--", str(descriptor)]
    command = [*as_user(unit, user), *again, *program]
    os.execvp(command[0], command)  # noqa: S606 -- what it is for


if __name__ == "__main__":
    main(sys.argv[1:])
