"""The ports collector: who holds each endpoint's port, as families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from exporter.ports import metrics as catalogue
from exporter.ports.facts import (
    Attribution,
    Holder,
    Inspection,
    PortVerdict,
    Reason,
    SocketFacts,
    SocketSource,
)
from exporter.scrape.base import Family, FamilyCache, Sample

SHOWN_HOLDERS = 8
_REASONS = tuple((reason, reason.value) for reason in Reason)


class PortsCollector:
    """Shows the verdict on every endpoint; ``inspect`` takes one look at the node's ports."""

    name = "ports"

    def __init__(self, inspect: Callable[[], Inspection]) -> None:
        self._inspect = inspect
        self._cache = FamilyCache(families)

    def collect(self) -> Iterable[Family]:
        """Look once and build the families; raises SourceError as the look does."""
        return self._cache(self._inspect())


def families(inspection: Inspection) -> Iterator[Family]:
    """Turn one look into families; the same endpoints always give the same 0/1 series."""
    verdicts = inspection.verdicts
    yield catalogue.PORT_LISTENING.family((_labels(v), v.listening) for v in verdicts)
    yield catalogue.PORT_FOREIGN_OWNER.family((_labels(v), v.foreign_owner) for v in verdicts)
    yield catalogue.PORT_CONFLICT.family(_reasons((v, v.conflict) for v in verdicts))
    yield catalogue.PORT_NEXT_START_BLOCKED.family(
        _reasons((v, v.next_start_blocked) for v in verdicts)
    )
    yield from _holder_families(inspection)
    yield from _risk_families(inspection)
    yield from _how_families(inspection.facts)


def _reasons(verdicts: Iterable[tuple[PortVerdict, Optional[Reason]]]) -> Iterator[Sample]:
    """Show every reason, with a 1 for the one that is true."""
    for verdict, true in verdicts:
        labels = _labels(verdict)
        for reason, word in _REASONS:
            yield (*labels, word), reason is true


def _holder_families(inspection: Inspection) -> Iterator[Family]:
    verdicts = inspection.verdicts
    shown = [_shown(verdict) for verdict in verdicts]
    every = [item for holders in shown for item in holders.items()]
    yield catalogue.PORT_HOLDER_PID.family((labels, holder.pid) for labels, holder in every)
    yield catalogue.PORT_HOLDER_START_TIME.family(
        (labels, holder.process.start_time) for labels, holder in every if holder.process
    )
    yield catalogue.PORT_HOLDER_UNIT_STOPPABLE.family(
        (labels, (holder.unit, holder.pid) in inspection.stoppable) for labels, holder in every
    )
    yield catalogue.PORT_HOLDERS_DROPPED.family(
        (_labels(v), len(v.holders) - len(holders)) for v, holders in zip(verdicts, shown)
    )


def _shown(verdict: PortVerdict) -> dict[tuple[str, ...], Holder]:
    """Choose the worst holders; of those alike in every label the one with the lowest pid."""
    shown: dict[tuple[str, ...], Holder] = {}
    for holder in verdict.holders:
        if len(shown) == SHOWN_HOLDERS:
            break
        shown.setdefault(_holder_labels(verdict, holder), holder)
    return shown


def _risk_families(inspection: Inspection) -> Iterator[Family]:
    verdicts = inspection.verdicts
    marked = inspection.ephemeral
    yield catalogue.PORT_EPHEMERAL_RISK.family(
        (_labels(v), v.endpoint.key in marked) for v in verdicts if marked is not None
    )
    yield catalogue.PORT_DUPLICATE.family(
        (_labels(v), v.endpoint.key in inspection.duplicates) for v in verdicts
    )
    yield catalogue.PORT_ADDRESS_MISSING.family(
        (_labels(v), v.endpoint.key in inspection.address_missing) for v in verdicts
    )


def _how_families(facts: SocketFacts) -> Iterator[Family]:
    yield catalogue.PORT_ATTRIBUTION.family(
        ((level.value,), level is facts.attribution) for level in Attribution
    )
    yield catalogue.PORT_SOURCE.family(
        ((source.value,), source is facts.source) for source in SocketSource
    )
    yield catalogue.PORT_SEES_BOUND_SOCKETS.single(facts.sees_bound_sockets)


def _labels(verdict: PortVerdict) -> tuple[str, str, str]:
    endpoint = verdict.endpoint
    return (endpoint.endpoint, endpoint.instance_id, str(endpoint.port))


def _holder_labels(verdict: PortVerdict, holder: Holder) -> tuple[str, ...]:
    process = holder.process
    return (
        *_labels(verdict),
        holder.relation.value,
        process.name if process else "",
        holder.user,
        process.exe if process else "",
        holder.unit,
        holder.container,
        str(holder.socket.address),
    )
