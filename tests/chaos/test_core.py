"""The short trials of ``make chaos``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import pytest

from tests.bench.table import Row
from tests.chaos import host, restarts

CORE: dict[str, Callable[[], Iterator[Row]]] = {
    "clock": restarts.clock_jumps,
    "hidepid": host.hidepid,
    "namespaces": host.namespaces,
}


@pytest.mark.privileged
@pytest.mark.parametrize("name", list(CORE))
def test_what_was_seen_is_what_was_expected(name: str) -> None:
    """No fault of the host costs more than what it is about."""
    rows = list(CORE[name]())
    assert rows
    assert [row for row in rows if not row.holds] == []
