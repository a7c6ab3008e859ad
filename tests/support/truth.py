"""What a page says of one endpoint, beside what the kernel itself says of its port."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from prometheus_client.parser import text_string_to_metric_families

from exporter.ports.facts import Reason
from tests.support.holders import can_listen

_LISTEN = "0A"


@dataclass(frozen=True)
class Seen:
    """One endpoint on one page; ``holders`` are the labels of each, with its ``pid``."""

    listening: bool
    foreign_owner: bool
    conflict: Optional[str]
    next_start_blocked: Optional[str]
    holders: tuple[dict[str, str], ...]

    @property
    def relations(self) -> list[str]:
        """The holders' relations."""
        return [holder["relation"] for holder in self.holders]


def seen(page: str, **endpoint: str) -> Seen:
    """Read one endpoint from a page; fails when a series is missing or two reasons are true."""
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if all(sample.labels.get(name) == value for name, value in endpoint.items())
    ]
    values = {name: value for name, _, value in samples}
    holders = [
        {**labels, "pid": str(int(value))}
        for name, labels, value in samples
        if name == "opengauss_port_holder_pid"
    ]
    return Seen(
        listening=bool(values["opengauss_port_listening"]),
        foreign_owner=bool(values["opengauss_port_foreign_owner"]),
        conflict=_reason(samples, "opengauss_port_conflict"),
        next_start_blocked=_reason(samples, "opengauss_port_next_start_blocked"),
        holders=tuple(holders),
    )


def _reason(samples: Iterable[tuple[str, dict[str, str], float]], metric: str) -> Optional[str]:
    every = {labels["reason"]: value for name, labels, value in samples if name == metric}
    assert set(every) == {reason.value for reason in Reason}
    true = [reason for reason, value in every.items() if value]
    assert len(true) <= 1, f"{metric} has two reasons: {true}"
    return true[0] if true else None


def start_would_be_stopped(address: str, port: int) -> bool:
    """Ask the kernel as CM does: a listener in /proc/net/tcp, or a bind and listen that fails."""
    return _precheck_refuses(port) or not can_listen(address, port)


def _precheck_refuses(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return any(f[3] == _LISTEN and int(f[1].split(":")[1], 16) == port for f in fields)
