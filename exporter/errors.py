"""One class for each outcome that a caller must tell apart.

``reason`` is the value that metrics and logs carry; it is mapped here and nowhere else.
"""

from __future__ import annotations


class ExporterError(Exception):
    """Base of every error that this package raises on purpose."""

    reason = "internal"


class ConfigError(ExporterError):
    """The configuration cannot be used; ``problems`` lists everything that is wrong with it."""

    reason = "config"

    def __init__(self, source: str, problems: tuple[str, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


class ParseError(ExporterError):
    """The input is not what its name promises; the message says where and what was expected."""

    reason = "not_understood"


class SourceError(ExporterError):
    """The host did not let itself be read."""

    reason = "unreadable"


class MissingFileError(SourceError):
    """There is no such file, or a directory on the way to it is missing."""

    reason = "missing"


class NetlinkRefusedError(SourceError):
    """NETLINK_SOCK_DIAG is not available here (seccomp, an old kernel)."""

    reason = "netlink_refused"


class UsageError(ExporterError):
    """The command line cannot be understood."""

    reason = "usage"


class CatalogueError(ExporterError):
    """A collector yielded a metric that is not declared, or one that is there already."""

    reason = "catalogue"


class ListenError(ExporterError):
    """The exporter's own address cannot be listened on."""

    reason = "listen"


class OutputError(ExporterError):
    """What a command had to tell could not be written."""

    reason = "output"
