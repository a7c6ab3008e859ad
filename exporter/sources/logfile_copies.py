"""Whether a new file is a copy of one that is read already; see `logfile` for what that means."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Optional

from exporter.sources.logfile import RECOGNISABLE, TAIL, LogFile

_COMPARED = 4096  # bytes of the beginning


def go_on(file: LogFile, gone: Iterable[LogFile]) -> Optional[LogFile]:
    """Have a fresh file go on where one was read that is no longer there, or was replaced.

    ``gone`` are such files. Gives the one whose place was taken. May raise OSError.
    """
    for other in gone:
        candidate = file.size > 0 and other.unseen and _are_neighbours(file, other)
        if candidate and file.has_content_of(other.position):
            file.position.take_from(other.position)
            file.fresh = False
            return other
    return None


def set_aside(file: LogFile, known: Iterable[LogFile]) -> None:
    """Set a fresh file aside that is a copy of one that is there; else it is an original.

    What comes after a file that was renamed is new, however it begins. May raise OSError.
    """
    if not file.size:
        return
    file.fresh = False
    for other in known:
        if other is file or not _are_neighbours(file, other) or other.position.retired:
            continue
        there = other.is_open and other.listed and not other.unlinked
        if there and _begins_like(file, other):
            file.fingerprint()
            file.position.copy_of = other.position.content
            return


def settle_copy(copy: LogFile, original: Optional[LogFile]) -> None:
    """Decide about a file that was taken for a copy, now that it or its original has changed.

    The copy is as it was. Must come before a truncated original is rewound. May raise OSError.
    """
    if original is not None and original.is_open and original.is_intact():
        if not _begins_like(copy, original):
            _let_go(copy, original)
        return
    if original is not None and copy.size > original.position.offset:
        if copy.has_content_of(original.position):
            copy.position.take_from(original.position)
        else:
            copy.position.copy_of = 0
        return
    copy.position.copy_of = 0
    if _was_compared(copy):
        copy.position.offset = copy.size  # all of it was read in the original
        copy.fingerprint()


def _was_compared(copy: LogFile) -> bool:
    """Whether enough of a file was there to take it for a copy."""
    seen = copy.position.head_length
    return seen >= RECOGNISABLE or seen == copy.size


def _let_go(copy: LogFile, original: LogFile) -> None:
    """Read a file that was taken for a copy, and goes on differently than its original."""
    if original.drained and copy.has_content_of(original.position):  # it is the other way round
        other_content = copy.position.content
        copy.position.take_from(original.position)
        original.position.content = other_content
        original.position.copy_of = copy.position.content
    else:
        copy.position.copy_of = 0


def _are_neighbours(file: LogFile, other: LogFile) -> bool:
    one, two = file.position, other.position
    return (
        one.source == two.source
        and posixpath.dirname(one.path) == posixpath.dirname(two.path)
        and not (two.copy_of or other.fresh)
    )


def _begins_like(copy: LogFile, original: LogFile) -> bool:
    """Whether a file begins like an intact one, and is no longer than it."""
    if not 0 < copy.size <= original.size:
        return False
    begin = min(_COMPARED, copy.size)
    end = min(TAIL, copy.size)
    return copy.pread(begin, 0) == original.pread(begin, 0) and (
        copy.pread(end, copy.size - end) == original.pread(end, copy.size - end)
    )
