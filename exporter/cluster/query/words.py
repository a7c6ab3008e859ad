"""Words of CM, looked up in their vocabularies."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Optional, TypeVar

from exporter.cluster.facts import UnknownToken
from exporter.cluster.words import DatanodeRole, DatanodeState, Field

Word = TypeVar("Word", bound=enum.Enum)
Unknown = tuple[UnknownToken, ...]

_KEPT = 64
_PLAUSIBLE = re.compile(r"[A-Za-z][A-Za-z_/-]*(?: [A-Za-z][A-Za-z_/-]*){0,3}")


def known(words: type[Word], text: str) -> Optional[Word]:
    """Find the word, or None; etcd and kerberos say UNKNOWN where all others say Unknown."""
    return _vocabulary(words).get("Unknown" if text == "UNKNOWN" else text)


@cache
def _vocabulary(words: type[Word]) -> Mapping[str, Word]:
    return {word.value: word for word in words}


def understand(field: Field, words: type[Word], text: str) -> tuple[Word, Unknown]:
    """Find the word; one that is not in the vocabulary is Unknown, and is reported as such."""
    word = known(words, text)
    if word is not None:
        return word, ()
    return words("Unknown"), (UnknownToken(field, text[:_KEPT]),)


def plausible(text: str) -> bool:
    """Tell whether this could be a word or a few of a vocabulary that has grown since."""
    return bool(_PLAUSIBLE.fullmatch(text))


def split_detail(text: str) -> tuple[str, str]:
    """Part ``Need repair(Disconnected)`` or ``OnLine  (Primary)`` into word and detail."""
    if not text.endswith(")"):
        return text, ""
    word, _, detail = text[:-1].partition("(")
    return word.rstrip(), detail.strip()


def split_role(words: Sequence[str]) -> tuple[str, str]:
    """Part a datanode's last words into role and HA state, either of which may be two words.

    A role that is known decides; else a state that is known; else the first word is the role.
    """
    for length in (2, 1):
        role = " ".join(words[:length])
        if len(words) > length and known(DatanodeRole, role):
            return role, " ".join(words[length:])
    for length in range(1, len(words)):
        state = " ".join(words[length:])
        if known(DatanodeState, split_detail(state)[0]):
            return " ".join(words[:length]), state
    return words[0], " ".join(words[1:])
