"""A file → a whole configuration, or one error that lists everything that is wrong with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional, TypeVar

from exporter.config.document import LARGEST_FILE, Report, compose, count_lines
from exporter.config.reading import Checks, Reader, Value
from exporter.config.schema import CONFIG, SIGNATURES, Config, Signature
from exporter.errors import ConfigError

T = TypeVar("T")

NO_CHECKS = Checks()


def load_config(path: Optional[Path], checks: Checks = NO_CHECKS) -> Config:
    """Read a file; without one the defaults hold.

    Raises ConfigError with every problem, also when the file cannot be read.
    """
    if path is None:
        return Config()
    return parse_config(read_file(path), str(path), checks)


def parse_config(data: bytes, source: str, checks: Checks = NO_CHECKS) -> Config:
    """Read a configuration from bytes; ``source`` names them in the ConfigError's text."""
    return parse(data, source, CONFIG, checks)


def parse_signatures(data: bytes, source: str, checks: Checks = NO_CHECKS) -> tuple[Signature, ...]:
    """Read a file that is one list of signatures; raises ConfigError."""
    return parse(data, source, SIGNATURES, checks)


def parse(data: bytes, source: str, reader: Reader[T], checks: Checks) -> T:
    """Read one document; raises ConfigError with the problems in the file's order."""
    report = Report(count_lines(data))
    node = compose(data, report)
    content: Optional[T] = None
    if node is not None:
        root = Value(node, node.start_mark.line + 1, "", report, checks)
        if root.tag == "null":
            root.problem("the file holds no key; {} stands for all defaults")
        else:
            content = root.read(reader, None)
    if content is None or len(report):
        raise ConfigError(source, report.sorted())
    return content


def read_file(path: Path) -> bytes:
    """Read a regular file, one byte more than is allowed at most; raises ConfigError.

    Opening never waits, as it would for the writer of a pipe.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # a Path cannot wrap a descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(str(path), ("not a regular file",))
            return file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(str(path), (f"cannot be read: {reason}",)) from error
