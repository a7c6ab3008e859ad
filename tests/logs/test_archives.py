"""What gzip files give, whole, damaged or hostile."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.logs.archives import behind, decompress
from exporter.logs.listing import LogHost

TEXT = b"a line of a log\n" * 50_000


def _text(path: Path) -> bytes:
    return b"".join(decompress(LogHost(), str(path)))


def test_text_comes_back_in_bounded_blocks(tmp_path: Path) -> None:
    """A small archive of a large text never costs more than a block at a time."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    blocks = list(decompress(LogHost(), str(path)))
    assert sum(map(len, blocks)) == 10_000_000
    assert max(map(len, blocks)) <= 256 * 1024


def test_several_members_are_one_text(tmp_path: Path) -> None:
    """What was appended to an archive belongs to it; zeros behind the end do not matter."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT) + gzip.compress(b"more\n") + bytes(100))
    assert _text(path) == TEXT + b"more\n"


@pytest.mark.parametrize(
    "data",
    [b"no such thing", gzip.compress(TEXT) + b"no such thing"],
    ids=["no gzip", "gzip and more"],
)
def test_what_is_no_gzip_file_is_an_error(tmp_path: Path, data: bytes) -> None:
    """So is a gzip file with something else behind it."""
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(ParseError, match="not a gzip file"):
        _text(path)


@pytest.mark.parametrize("size", [1, 9, 30, -1, -8])
def test_half_a_file_is_an_error(tmp_path: Path, size: int) -> None:
    """What is still being written is not taken for the whole."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT)[:size])
    with pytest.raises(ParseError, match="ends before its end"):
        _text(path)


def test_empty_file_is_an_archive_without_text(tmp_path: Path) -> None:
    """A file that somebody has just created is no error."""
    path = tmp_path / "a.gz"
    path.touch()
    assert _text(path) == b""


def test_descriptor_is_given_back_when_reading_stops(tmp_path: Path) -> None:
    """Whoever reads only the beginning keeps nothing open."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- numbers, not paths
    blocks = decompress(LogHost(), str(path))
    next(blocks)
    blocks.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 -- numbers, not paths


@given(st.lists(st.binary(max_size=20)), st.integers(0, 200))
def test_text_behind_an_offset(blocks: list[bytes], offset: int) -> None:
    """However a text is cut into blocks, what is behind an offset is the same."""
    assert b"".join(behind(iter(blocks), offset)) == b"".join(blocks)[offset:]
