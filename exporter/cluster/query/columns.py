"""Which columns a row has, told from the row itself.

The title line says whether there is an address; it does not say whether there is an AZ (-z), a
port (-p) or a directory (-d), and the offsets of titles and rows differ. So every combination
is tried, each column with what it must look like, and the caller chooses among those that fit.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Callable, Optional

from exporter.cluster.facts import Place

_ID = re.compile(r"[0-9]{1,9}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535
_MOST_WORDS = 12  # S Cascade Standby Need repair(System id not matched) has 8

SERVER = ("az?", "node_id", "node_name", "ip", "instance_id", "data_dir?")
DATANODE = ("az?", "node_id", "node_name", "ip", "instance_id", "port?", "data_dir?")
RESOURCE = ("az?", "node_id", "node_name", "untitled_ip", "resource", "instance_id")
KERBEROS = ("az?", "node_id", "node_name", "ip", "port")
FENCED_UDF = ("node_id", "node_name", "ip")
# An early CM printed a resource's address always, and the title of it only with -i.
_ADDRESS_COLUMNS = ("ip", "untitled_ip")


class Title(enum.Enum):
    """What the title line said of addresses."""

    NOT_SEEN = enum.auto()
    WITH_ADDRESS = enum.auto()
    WITHOUT_ADDRESS = enum.auto()


@dataclass(frozen=True)
class Fit:
    """A row read with one set of columns: the text of each, and the words behind them."""

    columns: Mapping[str, str]
    rest: tuple[str, ...]

    @property
    def place(self) -> Place:
        """The columns that every table has."""
        columns = self.columns
        return Place(
            columns["node_id"],
            columns["node_name"],
            columns.get("ip", columns.get("address", "")),
            columns.get("az", ""),
        )

    @property
    def port(self) -> Optional[int]:
        """The port column's number, None without such a column."""
        return int(self.columns["port"]) if "port" in self.columns else None


def is_id(token: str) -> bool:
    """Tell whether this can be a node's or an instance's number."""
    return bool(_ID.fullmatch(token))


def fits(tokens: Sequence[str], pattern: tuple[str, ...], title: Title) -> Iterator[Fit]:
    """Read the row in every way that its tokens allow, those with fewer columns first.

    Without a title line a token counts as the address only when it is one. The words behind the
    columns are never empty, and never more than the longest state has.
    """
    for shape in _shapes(pattern, title):
        if 0 < len(tokens) - len(shape) <= _MOST_WORDS and all(
            _LOOKS[column](token) for column, token in zip(shape, tokens)
        ):
            yield Fit(dict(zip(shape, tokens)), tuple(tokens[len(shape) :]))


@cache
def _shapes(pattern: tuple[str, ...], title: Title) -> tuple[tuple[str, ...], ...]:
    choices = [_choices(column, title) for column in pattern]
    shapes = (tuple(itertools.chain(*choice)) for choice in itertools.product(*choices))
    untitled = "address" if title is Title.WITHOUT_ADDRESS else ""
    return tuple(sorted(shapes, key=lambda shape: (untitled in shape, "az" in shape, len(shape))))


def _choices(column: str, title: Title) -> tuple[tuple[str, ...], ...]:
    if column.endswith("?"):
        return ((), (column[:-1],))
    if column not in _ADDRESS_COLUMNS:
        return ((column,),)
    if title is Title.WITH_ADDRESS:
        return (("ip",),)
    sure = title is Title.WITHOUT_ADDRESS and column == "ip"
    return ((),) if sure else ((), ("address",))


def _is_port(token: str) -> bool:
    return bool(_PORT.fullmatch(token)) and int(token) <= _HIGHEST_PORT


def _is_address(token: str) -> bool:
    try:
        ip_address(token)
    except ValueError:
        return False
    return True


def _is_anything(_token: str) -> bool:
    return True


_LOOKS: Mapping[str, Callable[[str], bool]] = {
    "az": _is_anything,
    "node_id": is_id,
    "node_name": _is_anything,
    "ip": _is_anything,
    "address": _is_address,
    "resource": _is_anything,
    "instance_id": is_id,
    "port": _is_port,
    "data_dir": lambda token: token.startswith("/"),
}
