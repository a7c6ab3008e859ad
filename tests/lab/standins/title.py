"""Make /proc/PID/cmdline and environ read as the real program's.

A stand-in runs as `<GAUSSHOME>/bin/NAME <script> args…`: the interpreter needs the script, the real
program has none. prctl(PR_SET_MM, PR_SET_MM_MAP) moves the kernel's idea of where the arguments and
the environment are to a buffer of ours; unlike its siblings it needs no capability (Linux >= 3.18
with CONFIG_CHECKPOINT_RESTORE, which the distributions' kernels have).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_MM = 35
_PR_SET_MM_MAP = 14
_FIELDS = (
    *("start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack"),
    *("arg_start", "arg_end", "env_start", "env_end"),
)
# /proc/self/stat, counted from the field behind the command's name (proc(5): that one is field 3)
_STAT_INDEX = {
    "start_code": 23,
    "end_code": 24,
    "start_stack": 25,
    "start_data": 42,
    "end_data": 43,
    "start_brk": 44,
}


class _Map(ctypes.Structure):
    _fields_ = (  # struct prctl_mm_map of linux/prctl.h
        *((name, ctypes.c_uint64) for name in _FIELDS),
        ("auxv", ctypes.c_uint64),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    )


_kept: list[ctypes.Array[ctypes.c_char]] = []  # the kernel reads from them as long as we live


def show_as(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Show these arguments and this environment in /proc; False where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    arguments = _block(argv)
    variables = _block([f"{name}={value}" for name, value in environ.items()])
    buffer = ctypes.create_string_buffer(arguments + variables, len(arguments) + len(variables))
    _kept.append(buffer)
    start = ctypes.addressof(buffer)
    middle, end = start + len(arguments), start + len(arguments) + len(variables)
    places = {"arg_start": start, "arg_end": middle, "env_start": middle, "env_end": end}
    fields = {**_memory_map(), **places, "brk": libc.sbrk(0), "exe_fd": 0xFFFFFFFF}
    mm_map = _Map(**fields)
    size = ctypes.c_ulong(ctypes.sizeof(mm_map))
    return bool(
        libc.prctl(_PR_SET_MM, ctypes.c_ulong(_PR_SET_MM_MAP), ctypes.byref(mm_map), size, 0) == 0
    )


def _block(words: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def _memory_map() -> dict[str, int]:
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    return {name: int(fields[index]) for name, index in _STAT_INDEX.items()}
