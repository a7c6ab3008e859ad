"""What ``cm_ctl query`` printed, with any of its flags → the cluster as CM tells it.

Read by tokens and vocabularies, never by offset: titles and rows are not aligned, and widths
change with the names in them. The output may end anywhere; what the end cut short is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Callable, Optional, TypeVar

from exporter.cluster.facts import (
    ClusterView,
    CmServer,
    Datanode,
    Etcd,
    FencedUdf,
    Kerberos,
    Resource,
    Row,
    UnknownToken,
)
from exporter.cluster.query import rows
from exporter.cluster.query.blocks import Blocks, Summary, pair
from exporter.cluster.query.columns import Title, is_id
from exporter.cluster.query.text import Line, lines
from exporter.cluster.query.words import Unknown
from exporter.cluster.words import Field, Problem
from exporter.errors import ParseError

__all__ = ["find_problem", "parse"]

_HEADER = re.compile(r"\[ *([A-Za-z]+(?: [A-Za-z]+)*) State *\]")
_TITLES = frozenset(
    ("node", "node_ip", "kerberos_ip", "res_name", "instance", "port", "state", "sync_state", "|")
)
_ADDRESSES = frozenset(("node_ip", "kerberos_ip"))
_ROW_READERS: Mapping[str, Callable[[Sequence[str], Title], rows.Read[Row]]] = {
    "CMServer": rows.cm_server,
    "ETCD": rows.etcd,
    "Kerberos": rows.kerberos,
    "Defined Resource": rows.resource,
    "Datanode": rows.datanode,
    "Fenced UDF": rows.fenced_udf,
}
_SECTIONS = frozenset((*_ROW_READERS, "Cluster"))
_PROBLEMS: Mapping[Problem, tuple[str, ...]] = {
    Problem.ROOT: ("current user is the root user",),
    Problem.ENVIRONMENT: (
        "Get GAUSSHOME failed",
        "Fail to access the cluster static config file",
        "CmSSlConfigInit init failed",
        "error while loading shared libraries",
    ),
    Problem.NO_ANSWER: (
        "send query msg to cm_server failed",
        "receive resource query msg from cm_server failed",
        "send query resource status msg to cm_server failed",
    ),
    # The dot tells it from the record about one cm_server that goes on with its node.
    Problem.NO_PRIMARY: (
        "can't connect to cm_server.",
        "can't establish an SSL connection",
    ),
}
# Trouble with one connection. cm_ctl goes on with the next cm_server, whose row may be fine, so
# it only counts where nothing came of the query behind it (CM ctl_common.cpp DoConnCmserver).
_LOST_CONNECTIONS = (
    "create ssl connection failed",
    "create ssl failed",
    "send message to server failed",
    "flush data failed",
)
Found = TypeVar("Found", CmServer, Datanode, Etcd, FencedUdf, Kerberos, Resource)


def parse(text: str) -> ClusterView:
    """Read the output; raises ParseError when nothing in it was recognised."""
    reader = _Reader()
    for line in lines(text):
        reader.read(line)
    view = reader.view(find_problem(text))
    if not (reader.sections or reader.rows or reader.summary.told or view.problem):
        raise ParseError(f"nothing in the output is cm_ctl query's: {_beginning(text)!r}")
    return view


def find_problem(text: str) -> Optional[Problem]:
    """Find the gravest of the errors that the text tells of, wherever in it they stand."""
    for problem, texts in _PROBLEMS.items():
        if any(known in text for known in texts):
            return problem
    return None


def _beginning(text: str) -> str:
    return " ".join(text[:400].split())[:200]


class _Reader:
    """Goes through the lines once; each line is read by the section in which it stands."""

    def __init__(self) -> None:
        self.sections: set[str] = set()
        self.rows: list[Row] = []
        self.summary = Summary()
        self._unknown: list[UnknownToken] = []
        self._blocks = Blocks()
        self._section = ""
        self._title = Title.NOT_SEEN
        self._connection_lost = False

    def read(self, line: Line) -> None:
        """Read one line."""
        header = _HEADER.fullmatch(line.text)
        if header:
            self._begin(header.group(1))
        elif not line.text.strip("-"):
            self._end_block()
        elif line.text.startswith("cm_ctl: "):
            self._complaint(line.text)
        elif self._section in _ROW_READERS:
            self._row(line)
        elif self._section in ("", "Cluster"):
            self._pair(line)

    def view(self, problem: Optional[Problem]) -> ClusterView:
        """Give what was read."""
        self._end_block()
        summary, flags = self.summary, self.summary.flags
        said = summary.cluster_state is not None
        return ClusterView(
            summary.cluster_state,
            flags.get("redistributing"),
            flags.get("balanced"),
            summary.current_az,
            flags.get("pausing", False if said else None),
            flags.get("enable_walrecord", False if said else None),
            _last_of_each(self.rows, CmServer),
            _last_of_each(self.rows, Datanode),
            _last_of_each(self.rows, Resource),
            _last_of_each(self.rows, Etcd),
            _last_of_each(self.rows, Kerberos),
            _last_of_each(self.rows, FencedUdf),
            problem or (Problem.NO_PRIMARY if self._connection_lost else None),
            (*summary.unknown, *self._unknown),
        )

    def _complaint(self, text: str) -> None:
        if find_problem(text):  # the last words of a query: no table goes on behind them
            self._section = "over"
        elif any(known in text for known in _LOST_CONNECTIONS):
            self._connection_lost = True

    def _begin(self, section: str) -> None:
        self._end_block()
        self._connection_lost = False
        self._section = section
        self._title = Title.NOT_SEEN
        if section in _SECTIONS:
            self.sections.add(section)

    def _row(self, line: Line) -> None:
        tokens = [token for token in re.split(r"[ \t]+", line.text) if token]
        if _TITLES.issuperset(tokens):
            addressed = not _ADDRESSES.isdisjoint(tokens)
            self._title = Title.WITH_ADDRESS if addressed else Title.WITHOUT_ADDRESS
            return
        cells = _cells(tokens)
        for number, cell in enumerate(cells, 1):
            self._cell(cell, cut=line.cut and number == len(cells))

    def _cell(self, tokens: Sequence[str], *, cut: bool) -> None:
        read = _ROW_READERS[self._section](tokens, self._title)
        if read and not (cut and read[1]):
            self._keep(*read)
        elif not read and not cut and _begins_like_a_row(tokens):
            self._unknown.append(UnknownToken(Field.ROW, " ".join(tokens)[:64]))

    def _pair(self, line: Line) -> None:
        found = pair(line.text)
        if not found:
            return
        self._connection_lost = False
        if not self.summary.take(*found, cut=line.cut) and not line.cut:
            self._blocks.take(*found)

    def _end_block(self) -> None:
        read = self._blocks.end()
        if read:
            self._keep(*read)

    def _keep(self, row: Row, unknown: Unknown) -> None:
        self._connection_lost = False
        self.rows.append(row)
        self._unknown += unknown


def _cells(tokens: Sequence[str]) -> list[list[str]]:
    """Part a line at the lone ``|`` that stand between its datanodes."""
    cells: list[list[str]] = [[]]
    for word in tokens:
        if word == "|":
            cells.append([])
        else:
            cells[-1].append(word)
    return [cell for cell in cells if cell]


def _begins_like_a_row(tokens: Sequence[str]) -> bool:
    return is_id(tokens[0]) or (len(tokens) > 1 and tokens[0].isalnum() and is_id(tokens[1]))


def _last_of_each(found: Sequence[Row], kind: type[Found]) -> tuple[Found, ...]:
    """Choose the rows of a kind; should one instance have two, the later one is the truth."""
    return tuple({row.key: row for row in found if isinstance(row, kind)}.values())
