"""The tests of the rules are strong enough to notice a rule with one thing wrong.

A few of the mutants here; ``make chaos`` tries them all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rule_mutants import Mutant, mutants, survives

EVERY = list(mutants())
CHANGES = {
    "node:opengauss_port_conflict:max: == turned",
    "node:opengauss_port_conflict_left_stopped:max: < turned",
    "OpenGaussAddressMissing: == turned",
    "OpenGaussPortDuplicate: without keep_firing_for",
}
OF_THE_HEART = [mutant for mutant in EVERY if mutant.change in CHANGES]


def test_the_mutants_are_many_and_all_different() -> None:
    """Each changes something, in every rule file, and the ones that are tried here exist."""
    assert len({(m.path, m.rule.place, repr(m.body)) for m in EVERY}) == len(EVERY)
    assert len({mutant.path for mutant in EVERY}) == 5
    assert len(EVERY) > 150
    assert {mutant.change for mutant in OF_THE_HEART} == CHANGES


@pytest.mark.parametrize("mutant", OF_THE_HEART, ids=lambda mutant: mutant.change)
def test_a_rule_with_one_thing_wrong_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    """A comparison turned round, a missing ``unless`` or ``for`` makes some rule test fail."""
    assert not survives(mutant, tmp_path)
