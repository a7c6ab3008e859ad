"""The procedure's rows end to end: made clusters, real exporters, real Prometheus, real pages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.lab import e2e
from tests.lab.e2e import Outcome

CORE = [scenario for scenario in e2e.to_play() if scenario.core]
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Outcome]]]:
    """The core scenarios, played side by side."""
    directory = tmp_path_factory.mktemp("stage")
    with e2e.playing(CORE, directory, e2e.QUIET_SECONDS) as futures:
        yield futures


@pytest.mark.parametrize("name", [scenario.name for scenario in CORE])
def test_a_scenario_ends_as_it_says(outcomes: dict[str, Future[Outcome]], name: str) -> None:
    """Answers, pages and alerts are those of the scenario, and there are no others."""
    assert outcomes[name].result().told == []
