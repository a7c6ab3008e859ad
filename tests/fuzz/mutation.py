"""Damaged copies of real inputs, by a seed, so that each can be made again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import final

LONGEST = 1 << 17
ODD = (
    b"",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",  # a surrogate
    b"\r\n",
    b"\n\n",
    b"'",
    b'"',
    b"\\",
    b"$(",
    b"9" * 25,
    b"-1",
    b"A" * 300,
    b"{" * 60,
    b"[" * 60,
    b": " * 60,
    b"%s%n",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
)


@final
class Mutator:
    """Makes damaged inputs of ``seeds``; what was made may become a seed of the next."""

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- to be repeatable, not secret
        self._seeds = [seed[:LONGEST] for seed in seeds]
        self._shipped = len(self._seeds)
        self._changes = (self._flip, self._cut, self._double, self._odd, self._splice, self._digits)

    def make(self) -> bytes:
        """Make one input; one in sixteen has nothing to do with any seed."""
        if self._random.random() < 1 / 16:
            return self._random.randbytes(self._random.randrange(200))
        data = self._random.choice(self._seeds)
        for _ in range(self._random.choice((1, 1, 2, 4, 8))):
            data = self._random.choice(self._changes)(data)[:LONGEST]
        self._keep(data)
        return data

    def _keep(self, data: bytes) -> None:
        if self._random.random() < 1 / 64:
            del self._seeds[self._shipped + 40 :]
            self._seeds.insert(self._shipped, data)

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._random.randint(0, len(data))
        return start, min(len(data), start + self._random.choice((1, 2, 8, 64, 1024)))

    def _flip(self, data: bytes) -> bytes:
        start, _ = self._span(data)
        return data[:start] + bytes([self._random.randrange(256)]) + data[start + 1 :]

    def _cut(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _double(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:end] * self._random.choice((1, 2, 30)) + data[end:]

    def _odd(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + self._random.choice(ODD) + data[self._random.choice((start, end)) :]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._seeds)
        return data[: self._span(data)[0]] + other[self._span(other)[0] :]

    def _digits(self, data: bytes) -> bytes:
        places = [place for place, byte in enumerate(data[:LONGEST]) if 48 <= byte <= 57]
        if not places:
            return data
        place = self._random.choice(places)
        return data[:place] + self._random.choice((b"", b"0", b"99999", b"-")) + data[place + 1 :]
