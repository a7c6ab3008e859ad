"""The composition root: what runs in the background is started, awaited and ended in order."""

from __future__ import annotations

from exporter.build import Application
from exporter.scrape.registry import Registry


class Work:
    """Background work that notes what is done with it."""

    def __init__(self, name: str, diary: list[str], waits: list[float]) -> None:
        self._name = name
        self._diary = diary
        self._waits = waits

    def start(self) -> None:
        """Note it."""
        self._diary.append(f"start {self._name}")

    def stop(self) -> None:
        """Note it."""
        self._diary.append(f"stop {self._name}")

    def wait_for_first(self, timeout: float) -> bool:
        """Note it."""
        self._diary.append(f"wait {self._name}")
        self._waits.append(timeout)
        return False


def test_background_work_ends_in_the_reverse_order_of_its_start() -> None:
    """What was started last may rest on what was started first; all share one time to wait."""
    diary: list[str] = []
    waits: list[float] = []
    work = tuple(Work(name, diary, waits) for name in ("one", "two"))
    application = Application(Registry([], []), work)
    application.start()
    application.wait_for_first(0.5)
    application.stop()
    assert diary == ["start one", "start two", "wait one", "wait two", "stop two", "stop one"]
    assert 0.0 <= waits[1] <= waits[0] <= 0.5
