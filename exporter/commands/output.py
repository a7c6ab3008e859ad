"""Writing to stdout: all of it, or an error."""

from __future__ import annotations

import os
from typing import BinaryIO

from exporter.errors import OutputError


def write_out(data: bytes, stream: BinaryIO) -> None:
    """Write and flush; raises OutputError when the reader went away or the disk is full.

    After a failure the stream's descriptor leads nowhere, or Python would try once more at its
    end and complain about it.
    """
    try:
        stream.write(data)
        stream.flush()
    except (OSError, ValueError) as error:  # ValueError: closed
        _lead_nowhere(stream)
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"stdout cannot be written: {reason}") from error


def _lead_nowhere(stream: BinaryIO) -> None:
    if stream.closed:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
