"""Answers that are good for a while."""

from __future__ import annotations

import pytest

from exporter.errors import SourceError
from exporter.host.answer_cache import AnswerCache
from exporter.host.command import Account


def test_an_answer_is_kept_for_its_time_and_an_error_is_not() -> None:
    """A user is looked up again after five minutes; that there is none of a name is not kept."""
    now, answers = [100.0], [Account("omm", 1, 1, (1,), "/"), Account("omm", 1, 1, (1, 2), "/")]

    def look_up(name: str) -> Account:
        if name != "omm":
            raise SourceError(name)
        return answers.pop(0)

    accounts = AnswerCache(look_up, 300.0, lambda: now[0])
    for _ in range(2):
        with pytest.raises(SourceError):
            accounts("gone")
    assert [accounts("omm").groups for _ in range(2)] == [(1,), (1,)]
    now[0] += 299
    assert accounts("omm").groups == (1,)
    now[0] += 1
    assert accounts("omm").groups == (1, 2)


def test_every_argument_has_an_answer_of_its_own() -> None:
    """Nobody is given what another one asked for."""
    names = AnswerCache(str, 1.0, lambda: 0.0)
    assert [names(1), names(2), names(1)] == ["1", "2", "1"]
