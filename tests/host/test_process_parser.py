"""The files of /proc/PID that say what a process is."""

from __future__ import annotations

import contextlib
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.process_parser import (
    ProcessStat,
    data_directory,
    is_fenced_master,
    maps_all_users,
    own_pid,
    parse_effective_capabilities,
    parse_stat,
    text,
)

NUMBERS = st.integers(0, 2**63)


def _stat(
    name: bytes, parent: int = 1, ticks: int = 303637, state: bytes = b"S", flags: int = 4194304
) -> bytes:
    """Write the line as the kernel does, the name unescaped."""
    before = b"%s %d 8953 8953 0 -1 %d 1234 0 0 0 5 3 0 0 20 0 1 0" % (state, parent, flags)
    return b"8953 (%s) %s %d 15650816 2304 18446744073709551615" % (name, before, ticks)


@given(st.binary(max_size=63).filter(lambda name: b"\0" not in name), NUMBERS, NUMBERS)
@settings(deadline=None)
def test_whatever_the_name_holds_the_fields_behind_it_are_read(
    name: bytes, parent: int, ticks: int
) -> None:
    """Parentheses, blanks, newlines and rubbish in a name move nothing."""
    found = parse_stat(_stat(name, parent, ticks))
    assert found == ProcessStat(text(name, 64), runs=True, parent_pid=parent, start_ticks=ticks)


@pytest.mark.parametrize(
    ("state", "flags", "runs"),
    [(b"R", 0x400100, True), (b"T", 0, True), (b"Z", 0, False), (b"I", 0x208040, False)],
)
def test_the_dead_and_the_kernels_own_do_not_run(state: bytes, flags: int, *, runs: bool) -> None:
    """A zombie and a kernel thread are listed, but are no programs; a stopped process is one."""
    assert parse_stat(_stat(b"x", state=state, flags=flags)).runs is runs


@pytest.mark.parametrize(
    "data",
    [b"", b"1 (init", b"1 (init) S 0 1", b")(", _stat(b"x").replace(b" 303637 ", b" soon ")],
)
def test_a_line_that_is_cut_or_strange_is_an_error(data: bytes) -> None:
    """A process whose start is not known is not half a process."""
    with pytest.raises(ParseError):
        parse_stat(data)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_raises_nothing_but_a_parse_error(data: bytes) -> None:
    """No bytes make any of the parsers fail in another way."""
    for parser in (parse_stat, parse_effective_capabilities):
        with contextlib.suppress(ParseError):
            parser(data)


@given(st.binary(max_size=300), st.integers(1, 100))
@settings(deadline=None)
def test_text_is_always_valid_and_bounded(data: bytes, length: int) -> None:
    """Whatever a stranger chose can be printed as UTF-8, and is no longer than allowed."""
    found = text(data, length)
    assert len(found) <= length
    assert found.encode("utf-8").decode("utf-8") == found


STATUS = (
    b"Name:\tgauss\\ndb\nUid:\t1000\t54321\t1000\t1000\nGid:\t1\t1\t1\t1\n"
    b"CapInh:\t0000000000000000\nCapEff:\t0000000000080004\n"
)


def test_the_effective_capabilities_count() -> None:
    """Not those that could be inherited."""
    assert parse_effective_capabilities(STATUS) == 1 << 19 | 1 << 2


@pytest.mark.parametrize(
    "status", [b"", b"CapEff:\tall\n", b"CapEff:\t-1\n", b"Name:\tCapEff: 3\n", b"CapEff:"]
)
def test_a_strange_status_is_an_error(status: bytes) -> None:
    """A missing or malformed line is not read as some right."""
    with pytest.raises(ParseError):
        parse_effective_capabilities(status)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([b"gaussdb", b"-D", b"/data/dn1", b"-M", b"primary"], "/data/dn1"),
        ([b"gaussdb", b"-D/data/dn1"], "/data/dn1"),
        ([b"gaussdb", b"-D", b"/a", b"-D", b"/b"], "/b"),
        ([b"gaussdb", b"-M", b"standby"], None),
        ([b"gaussdb", b"-D"], None),
        ([b"-D", b"/not/an/argument"], None),
        ([b"gaussdb", b"-D", b"relative"], "relative"),
        ([], None),
    ],
)
def test_the_data_directory_is_the_last_d(words: list[bytes], expected: Optional[str]) -> None:
    """Both spellings of -D are known, as getopt reads them."""
    assert data_directory(words) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b"Name:\tcm_server\nNSpid:\t4711\nNSpgid:\t4711\n", 4711),
        (b"Name:\tcm_server\nNSpid:\t4711\t120\t36\nNSpgid:\t1\n", 36),
        (b"Name:\tcm_server\nPid:\t4711\n", 0),
        (b"", 0),
    ],
)
def test_the_innermost_pid_is_a_process_own(status: bytes, expected: int) -> None:
    """The pids of a process are listed from ours to its own namespace's."""
    assert own_pid(status) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([b"/app/bin/gaussdb", b"--fenced", b"-k", b"/tmp", b"-D", b"/log/cm_agent"], True),
        ([b"gaussdb fenced UDF master process", *[b""] * 60], True),
        ([b"gaussdb", b"fenced", b"UDF", b"worker", b"process"], True),
        ([b"/app/bin/gaussdb", b"-D", b"/data/dn", b"-M", b"primary"], False),
        ([b"--fenced", b"-D", b"/data/dn"], False),
        ([], False),
    ],
)
def test_the_helper_for_fenced_functions_is_told_from_gaussdb(
    words: list[bytes], *, expected: bool
) -> None:
    """It is known by its argument, and by the title that it writes over all of them."""
    assert is_fenced_master(words) is expected


@pytest.mark.parametrize(
    ("uid_map", "expected"),
    [
        (b"         0          0 4294967295\n", True),
        (b"         0     100000      65536\n", False),
        (b"0 1000 1\n1 100000 65536\n", False),
        (b"", False),
    ],
)
def test_only_a_full_map_knows_every_user(uid_map: bytes, *, expected: bool) -> None:
    """In a user namespace with a part of the users some have no number."""
    assert maps_all_users(uid_map) is expected
