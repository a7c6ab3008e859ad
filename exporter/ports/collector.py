"""The ports collector: who holds each endpoint's port, as families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Callable, Optional

from exporter.ports import metrics as catalogue
from exporter.ports.facts import (
    Attribution,
    Endpoint,
    EndpointKey,
    Holder,
    Inspection,
    PortVerdict,
    Reason,
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
    yield catalogue.PORT_LISTENING.family(_flags(verdicts, lambda v: v.listening))
    yield catalogue.PORT_FOREIGN_OWNER.family(_flags(verdicts, lambda v: v.foreign_owner))
    yield catalogue.PORT_CONFLICT.family(_reasons(verdicts, lambda v: v.conflict))
    yield catalogue.PORT_NEXT_START_BLOCKED.family(
        _reasons(verdicts, lambda v: v.next_start_blocked)
    )
    yield from _holder_families(inspection)
    yield from _risk_families(inspection)
    yield from _how_families(inspection)


def _holder_families(inspection: Inspection) -> Iterator[Family]:
    verdicts = inspection.verdicts
    shown = [(_labels(v.endpoint), _shown(v), len(v.holders)) for v in verdicts]
    every = [item for _, holders, _ in shown for item in holders.items()]
    yield catalogue.PORT_HOLDER_PID.family((labels, holder.pid) for labels, holder in every)
    yield catalogue.PORT_HOLDER_START_TIME.family(
        (labels, holder.process.start_time) for labels, holder in every if holder.process
    )
    yield catalogue.PORT_HOLDER_UNIT_STOPPABLE.family(
        (labels, (holder.unit, holder.pid) in inspection.stoppable) for labels, holder in every
    )
    yield catalogue.PORT_HOLDERS_DROPPED.family(
        (labels, total - len(holders)) for labels, holders, total in shown
    )


def _shown(verdict: PortVerdict) -> dict[tuple[str, ...], Holder]:
    """Choose the worst holders; of those alike in every label the one with the lowest pid."""
    shown: dict[tuple[str, ...], Holder] = {}
    for holder in verdict.holders:
        if len(shown) == SHOWN_HOLDERS:
            break
        shown.setdefault(_holder_labels(verdict.endpoint, holder), holder)
    return shown


def _risk_families(inspection: Inspection) -> Iterator[Family]:
    verdicts, ephemeral = inspection.verdicts, inspection.ephemeral
    known = verdicts if ephemeral is not None else ()
    yield catalogue.PORT_EPHEMERAL_RISK.family(_among(known, ephemeral or frozenset()))
    yield catalogue.PORT_DUPLICATE.family(_among(verdicts, inspection.duplicates))
    yield catalogue.PORT_ADDRESS_MISSING.family(_among(verdicts, inspection.address_missing))


def _how_families(inspection: Inspection) -> Iterator[Family]:
    facts = inspection.facts
    yield catalogue.PORT_ATTRIBUTION.family(_states(Attribution, facts.attribution))
    yield catalogue.PORT_SOURCE.family(_states(SocketSource, facts.source))
    yield catalogue.PORT_SEES_BOUND_SOCKETS.single(facts.sees_bound_sockets)


def _states(words: type[Enum], current: Enum) -> Iterator[Sample]:
    return (((word.value,), word is current) for word in words)


def _flags(
    verdicts: Iterable[PortVerdict], flag: Callable[[PortVerdict], bool]
) -> Iterator[Sample]:
    return ((_labels(verdict.endpoint), flag(verdict)) for verdict in verdicts)


def _among(verdicts: Iterable[PortVerdict], keys: frozenset[EndpointKey]) -> Iterator[Sample]:
    return _flags(verdicts, lambda verdict: verdict.endpoint.key in keys)


def _reasons(
    verdicts: Iterable[PortVerdict], of: Callable[[PortVerdict], Optional[Reason]]
) -> Iterator[Sample]:
    for verdict in verdicts:
        labels, true = _labels(verdict.endpoint), of(verdict)
        for reason, word in _REASONS:
            yield (*labels, word), reason is true


def _labels(endpoint: Endpoint) -> tuple[str, str, str]:
    return (endpoint.endpoint, endpoint.instance_id, str(endpoint.port))


def _holder_labels(endpoint: Endpoint, holder: Holder) -> tuple[str, ...]:
    process = holder.process
    return (
        *_labels(endpoint),
        holder.relation.value,
        process.name if process else "",
        holder.user,
        process.exe if process else "",
        holder.unit,
        holder.container,
        str(holder.socket.address),
    )
