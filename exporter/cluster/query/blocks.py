"""``key : value`` lines: the summary of the cluster, and the details of ``-v`` without ``-C``.

The details come in blocks, one for each instance, parted by empty lines or dashes; keys repeat
within a block (one for each standby), and the first of a key is the instance's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from exporter.cluster.facts import CmServer, Datanode, Etcd, FencedUdf, Place, Row, UnknownToken
from exporter.cluster.query.columns import is_id
from exporter.cluster.query.rows import percentage
from exporter.cluster.query.words import Unknown, known, understand
from exporter.cluster.words import (
    ClusterState,
    CmServerState,
    DatanodeRole,
    DatanodeState,
    EtcdState,
    Field,
)

_PAIR = re.compile(r"([A-Za-z][A-Za-z_.()]*) *:(?: +|$)(.*)")
_FLAGS = {"redistributing", "balanced", "pausing", "enable_walrecord"}
_SUMMARY = _FLAGS | {"cluster_state", "current_az"}
_YES_OR_NO = {"Yes": True, "No": False}
BlockRow = Optional[tuple[Row, Unknown]]


def pair(text: str) -> Optional[tuple[str, str]]:
    """Part a line into key and value; None when it is no such line."""
    match = _PAIR.fullmatch(text)
    return (match.group(1), match.group(2).strip()) if match else None


@dataclass
class Summary:
    """The cluster's own lines; the first of a key counts."""

    cluster_state: Optional[ClusterState] = None
    flags: dict[str, bool] = field(default_factory=dict)
    current_az: str = ""
    unknown: list[UnknownToken] = field(default_factory=list)

    @property
    def told(self) -> bool:
        """Whether any of these lines was there."""
        return bool(self.cluster_state or self.flags or self.current_az)

    def take(self, key: str, value: str, *, cut: bool) -> bool:
        """Take the line if it is one of these; a word that the end cut short tells nothing."""
        if key not in _SUMMARY:
            return False
        if not cut or _is_whole(key, value):
            self._take(key, value)
        return True

    def _take(self, key: str, value: str) -> None:
        if key == "current_az":
            self.current_az = self.current_az or _name(value)
        elif key == "cluster_state":
            state, unknown = understand(Field.CLUSTER_STATE, ClusterState, value)
            self.cluster_state = self.cluster_state or state
            self.unknown += unknown
        elif value in _YES_OR_NO:
            self.flags.setdefault(key, _YES_OR_NO[value])
        else:
            self.unknown.append(UnknownToken(Field.CLUSTER_FLAG, value[:64]))


def _is_whole(key: str, value: str) -> bool:
    if key == "cluster_state":
        return known(ClusterState, value) is not None
    return key in _FLAGS and value in _YES_OR_NO


@dataclass
class Blocks:
    """The block that is being read, and the names of the nodes so far."""

    pairs: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def take(self, key: str, value: str) -> None:
        """Add a line to the block; of a repeated key the first counts."""
        self.pairs.setdefault(key, value)

    def end(self) -> BlockRow:
        """End the block; gives the instance it was about, None for any other block."""
        pairs, self.pairs = self.pairs, {}
        node_id = pairs.get("node", "")
        if not is_id(node_id):
            return None
        if "node_name" in pairs:
            self.names[node_id] = _name(pairs["node_name"])
        place = Place(node_id, self.names.get(node_id, ""), _name(pairs.get("node_ip", "")))
        return _instance(place, pairs)


def _name(value: str) -> str:
    """Names and addresses have no blanks: what has some is damaged, and tells nothing."""
    return "" if any(letter.isspace() for letter in value) else value


def _instance(place: Place, pairs: dict[str, str]) -> BlockRow:
    kind = pairs.get("type")
    if kind == "Fenced UDF" and "state" in pairs:
        role, unknown = understand(Field.FENCED_UDF_STATE, DatanodeRole, pairs["state"])
        return FencedUdf(place, role), unknown
    if not is_id(pairs.get("instance_id", "")):
        return None
    if kind == "ETCD" and "state" in pairs:
        return _etcd(place, pairs)
    if kind == "CMServer" and "instance_state" in pairs:
        return _cm_server(place, pairs)
    if kind == "Datanode" and "instance_state" in pairs:
        return _datanode(place, pairs)
    return None


def _etcd(place: Place, pairs: dict[str, str]) -> BlockRow:
    state, unknown = understand(Field.ETCD_STATE, EtcdState, pairs["state"])
    return Etcd(place, pairs["instance_id"], state, pairs.get("data_path", "")), unknown


def _cm_server(place: Place, pairs: dict[str, str]) -> BlockRow:
    state, unknown = understand(Field.CM_SERVER_STATE, CmServerState, pairs["instance_state"])
    return CmServer(place, pairs["instance_id"], state, pairs.get("data_path", "")), unknown


def _datanode(place: Place, pairs: dict[str, str]) -> BlockRow:
    role, no_role = understand(Field.DATANODE_ROLE, DatanodeRole, pairs["instance_state"])
    # A dummy standby has no HA state.
    ha_state = pairs.get("HA_state", DatanodeState.UNKNOWN.value)
    state, no_state = understand(Field.DATANODE_STATE, DatanodeState, ha_state)
    row = Datanode(
        place,
        pairs["instance_id"],
        role,
        state,
        data_dir=pairs.get("data_path", ""),
        reason=pairs.get("reason", ""),
        progress=percentage(pairs.get("process_schedule", "")),
    )
    return row, no_role + no_state
