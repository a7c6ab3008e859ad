"""Print what `cm_ctl query` prints, to the blank. Pure: a view in, text out.

Widths as in the program: node id 2, node name = the longest, IP at least 15, instance id 4, path =
the longest, role 7, state 6. A row's fields are each followed by a blank while the title counts it
inside the column; hence the shift by one behind the IP column. Only the last title is not widened
by -p without -i.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

AZ = "AZ1"
LINE = "-" * 71


@dataclass(frozen=True)
class Server:
    """One cm_server as the asking node sees it."""

    node_id: int
    node_name: str
    ip: str
    path: str
    state: str

    @property
    def abnormal(self) -> bool:
        """Whether -x shows it."""
        return self.state not in {"Primary", "Standby"}


@dataclass(frozen=True)
class Datanode:
    """One datanode; `detail` is what stands behind the state, `(37%)` or `(Disconnected)`."""

    node_id: int
    node_name: str
    ip: str
    port: int
    instance_id: int
    path: str
    static_role: str
    role: str
    state: str
    reason: str = "Normal"
    detail: str = ""


@dataclass(frozen=True)
class Resource:
    """One instance of a custom resource."""

    node_id: int
    node_name: str
    ip: str
    name: str
    instance_id: int
    state: str


@dataclass(frozen=True)
class View:
    """All that one query answers behind the table of cm_servers."""

    cluster_state: str
    balanced: bool
    datanodes: tuple[Datanode, ...]
    resources: tuple[Resource, ...] = ()
    pausing: bool = False


@dataclass(frozen=True)
class Flags:
    """The letters of one query that change its look."""

    letters: frozenset[str] = field(default_factory=frozenset)

    def __contains__(self, letter: str) -> bool:
        return letter in self.letters


def server_section(servers: Sequence[Server], flags: Flags) -> str:
    """Return `[  CMServer State   ]` up to its last row; the blank line behind is not in it."""
    return server_head(servers, flags) + "".join(row for _, row in server_rows(servers, flags))


def server_head(servers: Sequence[Server], flags: Flags) -> str:
    """Return what is printed before any cm_server is asked; their states do not matter yet."""
    look = _Look(flags, servers)
    path = max((len(server.path) for server in servers), default=0)
    title = look.node_title() + look.instance_title(path, port=False) + "state"
    dashes = look.node_width + look.instance_width(path, port=False) + 7
    return f"[  CMServer State   ]\n\n{title}\n{'-' * dashes}\n"


def server_rows(servers: Sequence[Server], flags: Flags) -> list[tuple[Server, str]]:
    """Return each cm_server with its row, which is empty where -x leaves it out."""
    look = _Look(flags, servers)
    path = max((len(server.path) for server in servers), default=0)
    shown = "x" not in flags or any(server.abnormal for server in servers)
    rows = [
        look.node(s) + f"{s.node_id:<4} " + look.path(s.path, path) + s.state + "\n"
        for s in servers
    ]
    return [(server, row if shown else "") for server, row in zip(servers, rows)]


def resource_section(resources: Sequence[Resource], flags: Flags) -> str:
    """Return `[ Defined Resource State ]` with the blank lines around it; nothing without any."""
    if not resources:
        return ""
    look = _Look(flags, resources)
    name = max(8, *(len(resource.name) for resource in resources))
    title = look.node_title() + f"{'res_name':<{name}} instance  state  "
    rows = [r for r in resources if "x" not in flags or r.state != "OnLine"]
    lines = [
        look.node(r, shift=0) + f"{r.name:<{name}} {r.instance_id:<9} {r.state:<7}\n" for r in rows
    ]
    dashes = look.node_width + name + 18
    return f"\n[ Defined Resource State ]\n\n{title}\n{'-' * dashes}\n{''.join(lines)}\n"


def cluster_section(view: View, flags: Flags) -> str:
    """Return `[   Cluster State   ]`."""
    lines = [f"cluster_state   : {view.cluster_state}", "redistributing  : No"]
    if "S" not in flags:
        lines += [f"balanced        : {_yes(view.balanced)}", "current_az      : AZ_ALL"]
        lines += ["pausing         : Yes"] * view.pausing
    return "[   Cluster State   ]\n\n" + "".join(line + "\n" for line in lines)


def datanode_section(datanodes: Sequence[Datanode], flags: Flags) -> str:
    """Return `[  Datanode State   ]`."""
    look = _Look(flags, datanodes)
    path = max((len(datanode.path) for datanode in datanodes), default=0)
    groups = 1 if "w" in flags else len(datanodes)
    titles = [
        look.node_title() + look.instance_title(path, port="i" in flags or n + 1 < groups) + "state"
        for n in range(groups)
    ]
    width = look.node_width + look.instance_width(path, port=True) + 19
    title = " | ".join([f"{t:<{width - 3}}" for t in titles[:-1]] + titles[-1:])
    cells = [_cell(d, look, path) for d in _shown(datanodes, flags)]
    separator = "\n" if "w" in flags else " | "
    rows = separator.join(cells) + "\n" if cells else ""
    if "s" in flags and not cells:
        rows = "(no need to switchover datanodes)\n"
    return f"[  Datanode State   ]\n\n{title}\n{'-' * (width * groups)}\n{rows}"


def fenced_section(datanodes: Sequence[Datanode], flags: Flags) -> str:
    """Return `[  Fenced UDF State   ]`."""
    look = _Look(flags, datanodes)
    rows = "".join(f"{look.node(d)}{'Normal'}\n" for d in datanodes)
    title = f"{look.node_title()}state"
    return f"[  Fenced UDF State   ]\n\n{title}\n{'-' * (look.node_width + 7)}\n{rows}"


def summary(view: View) -> str:
    """Return what a query without flags prints, and what -v begins with."""
    pairs = [
        ("cluster_state", view.cluster_state),
        ("redistributing", "No"),
        ("balanced", _yes(view.balanced)),
    ]
    pairs += [("pausing", "Yes")] * view.pausing
    return f"{LINE}\n\n{_pairs(pairs)}\n{LINE}\n\n"


def details(servers: Sequence[Server], datanodes: Sequence[Datanode]) -> str:
    """Return the blocks of `-v` without `-C`."""
    return "".join(_node_blocks(server, datanodes) for server in servers)


class _Look:
    """The columns that the flags ask for, at the widths that the rows need."""

    def __init__(self, flags: Flags, rows: Iterable[Server | Datanode | Resource]) -> None:
        rows = tuple(rows)
        self._flags = flags
        self._name = max((len(row.node_name) for row in rows), default=0)
        self._ip = max([15, *(len(row.ip) for row in rows)])
        self._az = len(AZ) + 1 if "z" in flags else 0
        self.node_width = self._az + 4 + self._name + (self._ip + 1 if "i" in flags else 0)

    def node_title(self) -> str:
        """Return the titles in front of the instance."""
        node = f"{'node':<{self._az + 4 + self._name}}"
        return node + (f"{'node_ip':<{self._ip + 1}}" if "i" in self._flags else "")

    def node(self, row: Server | Datanode | Resource, shift: int = 1) -> str:
        """Return the fields in front of the instance; all but resource rows are shifted by one."""
        az = f"{AZ} " if "z" in self._flags else ""
        ip = f"{row.ip:<{self._ip + shift}} " if "i" in self._flags else ""
        return f"{az}{row.node_id:<2} {row.node_name:<{self._name}} {ip}"

    def instance_width(self, path: int, *, port: bool) -> int:
        """Return the width of the instance's column with its blank."""
        wide = 4 + 1 + path + 1 if "d" in self._flags else 9
        return wide + (7 if port and "p" in self._flags else 0)

    def instance_title(self, path: int, *, port: bool) -> str:
        """Return the title of the instance's column."""
        return f"{'instance':<{self.instance_width(path, port=port)}}"

    def path(self, path: str, width: int) -> str:
        """Return the path, or the four blanks in its place."""
        return f"{path:<{width}} " if "d" in self._flags else " " * 4

    def port(self, port: int) -> str:
        """Return the port, or nothing."""
        return f"{port:<6} " if "p" in self._flags else ""


def _cell(datanode: Datanode, look: _Look, path: int) -> str:
    place = f"{datanode.instance_id:<4} {look.port(datanode.port)}"
    where = look.path(datanode.path, path)
    state = f"{datanode.static_role} {datanode.role:<7} {datanode.state}{datanode.detail}"
    return look.node(datanode) + place + where + state


def _shown(datanodes: Sequence[Datanode], flags: Flags) -> Sequence[Datanode]:
    if "x" in flags and all(datanode.state == "Normal" for datanode in datanodes):
        return ()
    if "s" in flags and all((d.static_role == "P") == (d.role == "Primary") for d in datanodes):
        return ()
    return datanodes


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{key:<26}: {value}\n" for key, value in pairs)


def _node_blocks(server: Server, datanodes: Sequence[Datanode]) -> str:
    node = ("node", str(server.node_id))
    blocks = [_pairs([node, ("node_name", server.node_name)])]
    blocks.append(_pairs([node, *_instance(server.node_id, server.ip, server.path, "CMServer")]))
    blocks[-1] += _pairs([("instance_state", server.state)])
    for datanode in datanodes:
        if datanode.node_id == server.node_id:
            blocks.append(_pairs([node]) + _datanode_block(datanode))
            blocks.append(_pairs([node, ("node_ip", datanode.ip), *_UDF]))
    return "\n".join(blocks) + f"\n{LINE}\n\n"


def _instance(number: int, ip: str, path: str, kind: str) -> list[tuple[str, str]]:
    return [("instance_id", str(number)), ("node_ip", ip), ("data_path", path), ("type", kind)]


def _datanode_block(datanode: Datanode) -> str:
    head = _instance(datanode.instance_id, datanode.ip, datanode.path, "Datanode")
    head.append(("instance_state", datanode.role))
    head.append(("static_connections", "0" if datanode.role == "Down" else "1"))
    head += [("HA_state", datanode.state), ("reason", datanode.reason)]
    if datanode.role == "Primary":
        return _pairs([*head, *_PRIMARY])
    sync = "Async" if datanode.state == "Normal" else "Unknown"
    return _pairs([*head, *_SENDER, *_RECEIVER, ("sync_state", sync)])


_UDF = (("type", "Fenced UDF"), ("state", "Normal"))
_SENDER = [(f"sender_{word}_location", "0/0") for word in ("sent", "write", "flush", "replay")]
_RECEIVER = [
    (f"receiver_{word}_location", "0/0") for word in ("received", "write", "flush", "replay")
]
_PRIMARY = [
    *[("standby_node", ""), ("standby_data_path", "")] * 2,
    ("standby_state", "Unknown"),
    *[*_SENDER, *_RECEIVER, ("sync_state", "Unknown")],
    ("secondary_state", "Unknown"),
    *[*_SENDER, *_RECEIVER, ("sync_state", "Unknown")],
]
