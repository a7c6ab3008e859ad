"""Run a program with every netlink socket refused, as a container's seccomp profile may do.

``python without_netlink.py PROGRAM ARGUMENT...``: ``socket(AF_NETLINK, ...)`` gives EPERM in it
and in its children. Needs no privilege. x86-64 and aarch64, little-endian.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

AF_NETLINK = 16
EPERM = 1
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | EPERM
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OF_CALL, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
SOCKET_CALL = {"x86_64": 41, "aarch64": 198}


def _program() -> bytes:
    """Build the filter: refuse socket() when its first argument is AF_NETLINK."""
    return b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (LOAD, 0, 0, NUMBER_OF_CALL),
            (JUMP_EQUAL, 0, 3, SOCKET_CALL[platform.machine()]),
            (LOAD, 0, 0, FIRST_ARGUMENT),
            (JUMP_EQUAL, 0, 1, AF_NETLINK),
            (RETURN, 0, 0, REFUSE),
            (RETURN, 0, 0, ALLOW),
        )
    )


def _install() -> None:
    program = ctypes.create_string_buffer(_program())
    length = len(_program()) // 8
    header = struct.pack("@HP", length, ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    _install()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # the test's own program
