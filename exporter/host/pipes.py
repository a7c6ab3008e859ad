"""Reading what a program prints: never more than a limit is kept, and never a block."""

from __future__ import annotations

import os
import selectors
from dataclasses import dataclass, field
from typing import IO

_POLL_SECONDS = 0.05  # output wakes us by itself; an exit behind open pipes does not
_POLL_CLOSED_SECONDS = 0.01  # without output left the exit is a moment away
_CHUNK_BYTES = 65536


@dataclass
class Output:
    """What a pipe has given so far, of which ``limit`` bytes are kept."""

    pipe: IO[bytes]
    limit: int
    data: bytearray = field(default_factory=bytearray)
    over: bool = False

    def drain(self) -> bool:
        """Read what is there now, one limit's worth at most; False at the end of the stream."""
        for _ in range(self.limit // _CHUNK_BYTES + 1):
            try:
                chunk = os.read(self.pipe.fileno(), _CHUNK_BYTES)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            room = self.limit - len(self.data)
            self.data += chunk[:room]
            self.over = self.over or len(chunk) > room
        return True


def pause(selector: selectors.BaseSelector) -> float:
    """Say for how many seconds to wait for output before looking for the program's exit."""
    return _POLL_SECONDS if selector.get_map() else _POLL_CLOSED_SECONDS


def read_ready(selector: selectors.BaseSelector, timeout: float) -> None:
    """Wait for output, ``timeout`` seconds at most, and read it; an ended stream is let go."""
    for key, _ in selector.select(max(0.0, timeout)):
        if not key.data.drain():
            selector.unregister(key.fileobj)
