"""What a datanode's settings decide about its ports and logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from exporter.errors import ParseError
from exporter.host.text import MAX_VALUE, bounded, port_number
from exporter.installation.facts import DatanodeSettings, ListedInstance, ReplicationChannel
from exporter.installation.postgresql_conf import Assignment, number, settings_of, truth
from exporter.installation.replication import parse_instances, parse_replconninfo

_CHANNELS = range(1, 9)  # replconninfo1..8 (openGauss-server MAX_REPLNODE_NUM)


def parse_datanode_settings(assignments: Iterable[Assignment]) -> DatanodeSettings:
    """Read the settings of all files together, in their order.

    Raises ParseError that tells file and line of a value that the server would refuse.
    """
    found = settings_of(assignments)
    dms = "ss_enable_dms" in found and truth(found["ss_enable_dms"])
    return DatanodeSettings(
        port=_port(found.get("port")),
        listen_addresses=_listen_addresses(found.get("listen_addresses")),
        channels=_channels(found, "replconninfo"),
        cross_channels=_channels(found, "cross_cluster_replconninfo"),
        dms=dms,
        dms_number=number(found["ss_instance_id"]) if "ss_instance_id" in found else 0,
        dms_instances=_dms_instances(found) if dms else (),
        log_directory=found["log_directory"].value if "log_directory" in found else "",
        log_line_prefix=found["log_line_prefix"].value if "log_line_prefix" in found else None,
    )


def _where(assignment: Assignment) -> str:
    return f"{assignment.source}: line {assignment.line}: {assignment.name}"


def _port(assignment: Optional[Assignment]) -> Optional[int]:
    return port_number(str(number(assignment)), _where(assignment)) if assignment else None


def _listen_addresses(assignment: Optional[Assignment]) -> Optional[tuple[str, ...]]:
    """Split the list as SplitIdentifierString does: words in lower case unless quoted."""
    if assignment is None:
        return None
    parts = bounded(assignment.value, _where(assignment), MAX_VALUE).split(",")
    words = tuple(part.strip().strip('"').lower() for part in parts)
    if len(words) > 1 and not all(words):
        raise ParseError(f"{_where(assignment)}: expected addresses between commas, found none")
    return tuple(word for word in words if word)


def _channels(found: Mapping[str, Assignment], name: str) -> tuple[ReplicationChannel, ...]:
    given = [found[f"{name}{index}"] for index in _CHANNELS if f"{name}{index}" in found]
    return tuple(
        channel for each in given for channel in parse_replconninfo(each.value, _where(each))
    )


def _dms_instances(found: Mapping[str, Assignment]) -> tuple[ListedInstance, ...]:
    given = found.get("ss_interconnect_url")
    return parse_instances(given.value, _where(given)) if given else ()
