"""Taking privileges from the calling thread: all, for its children, or some, for a moment.

The kernel keeps credentials, capability sets and no_new_privs for each thread, and a child
inherits them from the thread that forked it (capabilities(7), clone(2)). So a thread that lives
only to start one program can give everything up first; the rest of the process keeps what it
has. That needs no code between fork and exec, which is unsafe in a process with threads.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.errors import SourceError

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_HIGHEST_CAPABILITY = 63
_READS_EVERYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    """struct __user_cap_header_struct; pid 0 is the calling thread."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """struct __user_cap_data_struct: 32 capabilities of each set."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


_Data = _Sets * 2
_libc = ctypes.CDLL(None, use_errno=True)


def shed_thread_privileges(*, keep_for_user_change: bool) -> None:
    """Give up no_new_privs, the ambient, bounding and inheritable sets, and all capabilities.

    ``keep_for_user_change`` leaves the effective and permitted sets to a child that changes its
    uid from 0 before exec; the kernel clears both at that change. The bounding set needs
    CAP_SETPCAP to be emptied; without that it stays, and no_new_privs makes it meaningless.
    Raises SourceError when the kernel refuses: the caller must then start nothing.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # EINVAL: before Linux 4.3 there is no ambient set to clear.
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, allowed=(errno.EINVAL,))
    for capability in range(_HIGHEST_CAPABILITY + 1):
        # EINVAL: the kernel knows no such capability, and none above. EPERM: no CAP_SETPCAP.
        if _prctl(_PR_CAPBSET_DROP, capability, allowed=(errno.EINVAL, errno.EPERM)):
            break
    _clear_sets(keep=keep_for_user_change)


@contextmanager
def as_the_user_alone() -> Iterator[None]:
    """Open files as the user may without capabilities: for paths that the user chooses.

    A link of the cluster's user must not make the exporter read what that user may not. For this
    thread and this moment; without the capabilities, and as root, nothing changes.
    """
    if os.geteuid() == 0:
        yield
        return
    header, data = _Header(_CAPABILITY_VERSION_3, 0), _Data()
    _checked(_libc.capget(ctypes.byref(header), ctypes.byref(data)), "capget")
    held = data[0].effective & _READS_EVERYTHING
    if not held:
        yield
        return
    data[0].effective &= ~held
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    try:
        yield
    finally:
        data[0].effective |= held
        _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def _prctl(option: int, argument: int, allowed: tuple[int, ...] = ()) -> int:
    """Return 0, or which of the allowed errors the kernel answered."""
    words = (ctypes.c_ulong(argument), *(ctypes.c_ulong(0) for _ in range(3)))
    if _libc.prctl(option, *words) == 0:
        return 0
    number = ctypes.get_errno()
    if number not in allowed:
        raise SourceError(f"prctl({option}, {argument}): {os.strerror(number)}")
    return number


def _clear_sets(*, keep: bool) -> None:
    header = _Header(_CAPABILITY_VERSION_3, 0)
    data = _Data()
    if keep:
        _checked(_libc.capget(ctypes.byref(header), ctypes.byref(data)), "capget")
        for sets in data:
            sets.inheritable = 0
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def _checked(result: int, call: str) -> None:
    if result != 0:
        raise SourceError(f"{call}: {os.strerror(ctypes.get_errno())}")
