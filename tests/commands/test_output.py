"""Writing to stdout when nobody can take it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.commands.output import write_out
from exporter.errors import OutputError


def test_what_is_told_arrives() -> None:
    """Bytes arrive as they are, at once."""
    stream = io.BytesIO()
    write_out(b"\xff\n", stream)
    assert stream.getvalue() == b"\xff\n"


def test_a_full_disk_is_an_error_of_its_own() -> None:
    """A disk that is full is said, and the stream can be closed without another error."""
    with Path("/dev/full").open("wb") as stream, pytest.raises(OutputError, match="No space left"):
        write_out(b"x", stream)


def test_a_reader_that_went_away_is_an_error_of_its_own() -> None:
    """A closed pipe is said, and the stream can be closed without another error."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stream, pytest.raises(OutputError, match="Broken pipe"):
        write_out(b"x" * 100_000, stream)


def test_a_closed_stream_is_an_error_of_its_own() -> None:
    """A program started without stdout gets an answer, too."""
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(OutputError, match="closed"):
        write_out(b"x", stream)


def test_a_page_for_a_full_disk_ends_with_74() -> None:
    """``once`` into a full disk fails with one line, for the script that would use the file."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exporter", "once"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 74
    assert done.stderr.splitlines()[-1] == (
        "opengauss-cm-exporter: stdout cannot be written: No space left on device"
    )
