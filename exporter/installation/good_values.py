"""Facts that are looked for in files: what came of each, and the last good value of each."""

from __future__ import annotations

from typing import Callable, Optional, TypeVar, cast

from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.installation.facts import FactState, Finding

T = TypeVar("T")


class Facts:
    """Collects findings; a fact that cannot be read any more keeps its last good value."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._kept: dict[tuple[str, str], object] = {}

    def begin(self) -> None:
        """Look at everything anew; the last good values stay."""
        self.findings = []

    def note(
        self, fact: str, origin: str, state: FactState = FactState.OK, detail: str = ""
    ) -> None:
        """Add a finding that no file gave."""
        self.findings.append(Finding(fact, origin, state, detail))

    def read(
        self, fact: str, path: str, reader: Callable[[str], T], *, required: bool = True
    ) -> Optional[T]:
        """Read a fact from a file; None when it never was read, or is not there and need not be.

        A failure is a finding with the error's own words.
        """
        key = (fact, path)
        try:
            value = reader(path)
        except MissingFileError as error:
            if not required:
                self._kept.pop(key, None)
                self.note(fact, path, FactState.ABSENT, "no such file")
                return None
            self.note(fact, path, FactState.MISSING, str(error))
        except SourceError as error:
            self.note(fact, path, FactState.UNREADABLE, str(error))
        except ParseError as error:
            self.note(fact, path, FactState.NOT_UNDERSTOOD, str(error))
        else:
            self._kept[key] = value
            self.note(fact, path)
            return value
        return cast("Optional[T]", self._kept.get(key))  # put there by this very call, earlier
