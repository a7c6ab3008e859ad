"""What cannot be read: counted by reason, said once, and tried again ever more rarely."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Callable

import structlog

from exporter.logs.facts import LogErrorReason
from exporter.logs.listing import Trouble
from exporter.logs.reading import Activity

FIRST_DELAY = 1.0  # seconds
LONGEST_DELAY = 60.0


@dataclass
class _Failing:
    reason: LogErrorReason
    delay: float
    not_before: float
    path: str


class Troubles:
    """Remembers what fails; times are monotonic, in seconds."""

    def __init__(self, activity: Mapping[str, Activity]) -> None:
        self._activity = activity
        self._failing: dict[Hashable, _Failing] = {}
        self._log = structlog.get_logger()

    def may_try(self, key: Hashable, now: float) -> bool:
        """Whether it is time to try something again that may have failed."""
        failing = self._failing.get(key)
        return failing is None or now >= failing.not_before

    def failed(self, key: Hashable, trouble: Trouble, now: float) -> None:
        """Count a failure, and say it if it is new or for a new reason."""
        known = self._failing.get(key)
        delay = min(known.delay * 2, LONGEST_DELAY) if known else FIRST_DELAY
        self._failing[key] = _Failing(trouble.reason, delay, now + delay, trouble.path)
        self._activity[trouble.source].errors[trouble.reason] += 1
        if known is None or known.reason is not trouble.reason:
            self._log.warning(
                "log cannot be read",
                source=trouble.source,
                path=trouble.path,
                reason=trouble.reason.value,
            )

    def worked(self, key: Hashable, path: str) -> None:
        """Say that something works again, if it had failed."""
        if self._failing.pop(key, None) is not None:
            self._log.info("log can be read again", path=path)

    def listed(self, troubles: Iterable[Trouble], now: float) -> None:
        """Take the troubles of a listing: all that fails there at the moment."""
        current: dict[Hashable, Trouble] = {
            ("listing", trouble.source, trouble.path): trouble for trouble in troubles
        }
        for key, trouble in current.items():
            if self.may_try(key, now):
                self.failed(key, trouble, now)
        for key in [k for k in self._failing if _is_of_listing(k) and k not in current]:
            self.worked(key, self._failing[key].path)

    def forget_unless(self, is_known: Callable[[Hashable], bool]) -> None:
        """Let go of files that are not known any more; what a listing told is not touched."""
        for key in [k for k in self._failing if not (_is_of_listing(k) or is_known(k))]:
            del self._failing[key]


def _is_of_listing(key: Hashable) -> bool:
    return isinstance(key, tuple) and key[0] == "listing"
