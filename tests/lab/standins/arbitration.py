"""What cm_server makes of its agents' reports. Pure: reports and ages in, states and orders out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SETTLED_SECONDS = 5.0
_OTHERS_WAIT_SECONDS = 6.0  # the installed primary has the first right
HEARTBEAT_SECONDS = 6.0  # instance_heartbeat_timeout of cm_server.conf


@dataclass(frozen=True)
class Report:
    """One agent's word on its datanode and its resources (name -> OnLine, OffLine, Unknown)."""

    role: str
    state: str
    reason: str
    resources: Mapping[str, str]
    stopped: bool  # a marker keeps the resources down: the node is kicked out


def seen(report: Report | None, age: float, since_promotion: float) -> Report:
    """Return what a datanode counts as, from its last report and that report's age in seconds."""
    if report is not None and age < HEARTBEAT_SECONDS:
        return report
    if report is None and since_promotion < HEARTBEAT_SECONDS:
        return Report("Unknown", "Unknown", "Normal", {}, stopped=False)
    return Report("Down", "Unknown", "Unknown", {}, stopped=True)


def cluster_state(reports: Sequence[Report]) -> str:
    """Return Normal, Degraded or Unavailable; cm_servers have no part in it."""
    primaries = [r for r in reports if (r.role, r.state) == ("Primary", "Normal")]
    if len(primaries) != 1:
        return "Unavailable"
    resources = [state for report in reports for state in report.resources.values()]
    whole = all(report.state == "Normal" for report in reports)
    online = all(state == "OnLine" for state in resources)
    kicked_out = any(report.stopped for report in reports)
    return "Normal" if whole and online and not kicked_out else "Degraded"


def orders(reports: Mapping[int, Report], static_primary: int, waited: float) -> dict[int, str]:
    """Return the role that each node's datanode must take; only nodes that must change.

    `waited` is how long a primary has been missing beyond the arbitration delay, in seconds.
    """
    primaries = [node for node, report in reports.items() if report.role == "Primary"]
    changes = {n: "Standby" for n, report in reports.items() if report.role == "Pending"}
    if primaries:
        kept = static_primary if static_primary in primaries else min(primaries)
        return {**changes, **{n: "Standby" for n in primaries if n != kept}}
    ready = [n for n, r in reports.items() if (r.role, r.state) == ("Standby", "Normal")]
    if static_primary in ready:
        ready, patience = [static_primary], 0.0
    else:
        patience = _OTHERS_WAIT_SECONDS
    return {**changes, min(ready): "Primary"} if ready and waited >= patience else changes


@dataclass(frozen=True)
class Candidate:
    """A cm_server in an election; seconds that it is up, and the role that it has."""

    node_id: int
    up: float
    role: str

    @property
    def rank(self) -> tuple[bool, int]:
        """Who comes first: whoever has not just been started, then the lowest id."""
        return self.up < _SETTLED_SECONDS, self.node_id


def elect(own: Candidate, peers: Sequence[Candidate], total: int, *, followed: bool = False) -> str:
    """Return the role that this cm_server should have; `peers` are those that answer.

    DCC wants a majority, also of two. Of two the one that leads goes on alone, and one that has
    been alone since its start leads; one that has `followed` the other does not, as recorded.
    """
    alone = total == 2 and (own.role == "Primary" or not followed)
    if len(peers) + 1 < total // 2 + 1 and not alone:
        return "Standby"
    leaders = [peer for peer in peers if peer.role == "Primary"]
    if leaders:
        first = own.node_id < min(peer.node_id for peer in leaders)
        return "Primary" if own.role == "Primary" and first else "Standby"
    first = all(own.rank < peer.rank for peer in peers)
    return "Primary" if own.role == "Primary" or first else "Standby"
