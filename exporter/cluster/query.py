"""What ``cm_ctl query`` printed, with any of its flags → the cluster as CM tells it.

Read by tokens and vocabularies, never by offset: titles and rows are not aligned, and widths
change with the names in them. The output may end anywhere; what the end cut short is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Callable, Optional, TypeVar

from exporter.cluster import grammar
from exporter.cluster.cm_ctl_log import Line, without_records
from exporter.cluster.facts import (
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Field,
    Place,
    Problem,
    Resource,
    Row,
    UnknownToken,
)
from exporter.cluster.grammar import (
    MOST_SHOWN,
    Read,
    Title,
    Unknown,
    is_id,
    percentage,
    understand,
)
from exporter.errors import ParseError

_HEADER = re.compile(r"\[ *([A-Za-z]+(?: [A-Za-z]+)*) State *\]")
_PAIR = re.compile(r"([A-Za-z][A-Za-z_.()]*) *:(?: +|$)(.*)")
_TITLES = frozenset(("node", "node_ip", "res_name", "instance", "port", "state", "sync_state", "|"))
_ROW_READERS: Mapping[str, Callable[[Sequence[str], Title], Read[Row]]] = {
    "CMServer": grammar.cm_server,
    "Defined Resource": grammar.resource,
    "Datanode": grammar.datanode,
}
# The rows of the last three are passed over: no state that is shown comes from them.
_SECTIONS = frozenset((*_ROW_READERS, "Cluster", "ETCD", "Kerberos", "Fenced UDF"))
_FLAGS = frozenset(("redistributing", "balanced", "pausing", "enable_walrecord"))
_YES_OR_NO = {"Yes": True, "No": False}
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
AnyRow = TypeVar("AnyRow", CmServer, Datanode, Resource)


def parse(text: str) -> ClusterView:
    """Read the output; raises ParseError when nothing in it was recognised."""
    reader = _Reader()
    for line in without_records(text):
        reader.read(line)
    view = reader.view(find_problem(text))
    if not (reader.recognised or view.problem):
        beginning = " ".join(text[:400].split())[:200]
        raise ParseError(f"nothing in the output is cm_ctl query's: {beginning!r}")
    return view


def find_problem(text: str) -> Optional[Problem]:
    """Find the gravest of the errors that the text tells of, wherever in it they stand."""
    for problem, messages in _PROBLEMS.items():
        if any(message in text for message in messages):
            return problem
    return None


class _Reader:
    """Goes through the lines once; each line is read by the section in which it stands.

    ``key : value`` lines are the summary of the cluster, or the details of ``-v`` without ``-C``.
    The details come in blocks, one for each instance, parted by empty lines or dashes; keys
    repeat within a block (one for each standby), and the first of a key is the instance's own.
    """

    def __init__(self) -> None:
        self.recognised = False
        self._rows: list[Row] = []
        self._unknown: list[UnknownToken] = []
        self._cluster_state: Optional[ClusterState] = None
        self._flags: dict[str, bool] = {}
        self._block: dict[str, str] = {}
        self._node_names: dict[str, str] = {}
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
        """Give what was read, the block included that the end of the output ends."""
        self._end_block()
        return ClusterView(
            self._cluster_state,
            self._flags.get("redistributing"),
            self._flags.get("balanced"),
            self._flags.get("pausing", False if self._cluster_state else None),
            _last_of_each(self._rows, CmServer),
            _last_of_each(self._rows, Datanode),
            _last_of_each(self._rows, Resource),
            problem or (Problem.NO_PRIMARY if self._connection_lost else None),
            tuple(self._unknown),
        )

    def _begin(self, section: str) -> None:
        self._end_block()
        self._connection_lost = False
        self._section = section
        self._title = Title.NOT_SEEN
        self.recognised = self.recognised or section in _SECTIONS

    def _complaint(self, text: str) -> None:
        if find_problem(text):  # the last words of a query: no table goes on behind them
            self._section = "over"
        elif any(message in text for message in _LOST_CONNECTIONS):
            self._connection_lost = True

    def _row(self, line: Line) -> None:
        tokens = [token for token in re.split(r"[ \t]+", line.text) if token]
        if _TITLES.issuperset(tokens):
            self._title = Title.WITH_ADDRESS if "node_ip" in tokens else Title.WITHOUT_ADDRESS
            return
        cells = _cells(tokens)
        for number, cell in enumerate(cells, 1):
            cut = line.cut and number == len(cells)
            row = _ROW_READERS[self._section](cell, self._title)
            if row and not (cut and row[1]):
                self._keep(*row)
            elif not row and not cut:
                self._unknown += grammar.unknown_row(cell)

    def _pair(self, line: Line) -> None:
        pair = _PAIR.fullmatch(line.text)
        if not pair:
            return
        self._connection_lost = False
        key, value = pair.group(1), pair.group(2).strip()
        if key == "cluster_state":
            self._state(value, cut=line.cut)
        elif key in _FLAGS:
            self._flag(key, value, cut=line.cut)
        elif key == "current_az":
            self.recognised = self.recognised or bool(_name(value) and not line.cut)
        elif not line.cut:
            self._block.setdefault(key, value)

    def _state(self, value: str, *, cut: bool) -> None:
        state, unknown = understand(Field.CLUSTER_STATE, ClusterState, value)
        if not (cut and unknown):
            self._cluster_state = self._cluster_state or state
            self._unknown += unknown
            self.recognised = True

    def _flag(self, key: str, value: str, *, cut: bool) -> None:
        if value in _YES_OR_NO:
            self._flags.setdefault(key, _YES_OR_NO[value])
            self.recognised = True
        elif not cut:
            self._unknown.append(UnknownToken(Field.CLUSTER_FLAG, value[:MOST_SHOWN]))

    def _end_block(self) -> None:
        """End the block; one that is about an instance becomes its row."""
        block, self._block = self._block, {}
        node_id = block.get("node", "")
        if not is_id(node_id):
            return
        if "node_name" in block:
            self._node_names[node_id] = _name(block["node_name"])
        name = self._node_names.get(node_id, "")
        row = _instance(Place(node_id, name, _name(block.get("node_ip", ""))), block)
        if row:
            self._keep(*row)

    def _keep(self, row: Row, unknown: Unknown) -> None:
        self._connection_lost = False
        self.recognised = True
        self._rows.append(row)
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


def _name(value: str) -> str:
    """Names and addresses have no blanks: what has some is damaged, and tells nothing."""
    return "" if any(letter.isspace() for letter in value) else value


def _instance(place: Place, block: Mapping[str, str]) -> Read[Row]:
    instance_id = block.get("instance_id", "")
    if not is_id(instance_id) or "instance_state" not in block:
        return None
    if block.get("type") == "Datanode":
        return _datanode(place, block)
    if block.get("type") != "CMServer":
        return None
    state, unknown = understand(Field.CM_SERVER_STATE, CmServerState, block["instance_state"])
    return CmServer(place, instance_id, state, block.get("data_path", "")), unknown


def _datanode(place: Place, block: Mapping[str, str]) -> tuple[Datanode, Unknown]:
    role, no_role = understand(Field.DATANODE_ROLE, DatanodeRole, block["instance_state"])
    # A dummy standby has no HA state.
    ha_state = block.get("HA_state", DatanodeState.UNKNOWN.value)
    state, no_state = understand(Field.DATANODE_STATE, DatanodeState, ha_state)
    row = Datanode(
        place,
        block["instance_id"],
        role,
        state,
        data_dir=block.get("data_path", ""),
        reason=block.get("reason", ""),
        progress=percentage(block.get("process_schedule", "")),
    )
    return row, no_role + no_state


def _last_of_each(rows: Sequence[Row], kind: type[AnyRow]) -> tuple[AnyRow, ...]:
    """Choose the rows of a kind; should one instance have two, the later one is the truth."""
    return tuple({row.key: row for row in rows if isinstance(row, kind)}.values())
