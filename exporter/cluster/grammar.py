"""The grammar of a row of ``cm_ctl query``: which columns it has, and CM's words behind them.

Both are told from the row itself. The title line says whether there is an address; it does not
say whether there is an AZ (-z), a port (-p) or a directory (-d), and the offsets of titles and
rows differ. So every combination is tried, each column with what it must look like, and of those
that fit the one whose words are known counts.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Callable, Optional, TypeVar

from exporter.cluster.facts import (
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Field,
    Place,
    Resource,
    ResourceState,
    Row,
    StaticRole,
    UnknownToken,
)

Word = TypeVar("Word", bound=enum.Enum)
AnyRow = TypeVar("AnyRow", bound=Row)
Unknown = tuple[UnknownToken, ...]
Read = Optional[tuple[AnyRow, Unknown]]
"""A row with the words of it that were not understood; None when the text is no such row."""

_ID = re.compile(r"[0-9]{1,9}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65535
_MOST_WORDS = 12  # S Cascade Standby Need repair(System id not matched) has 8
MOST_SHOWN = 64
_PLAUSIBLE = re.compile(r"[A-Za-z][A-Za-z_/-]*(?: [A-Za-z][A-Za-z_/-]*){0,3}")
_FIRST_DATANODE = 6001  # CM numbers datanodes from here, so no other column passes for one
_STATIC_AND_ROLE = 2

_SERVER = ("az?", "node_id", "node_name", "ip", "instance_id", "data_dir?")
_DATANODE = ("az?", "node_id", "node_name", "ip", "instance_id", "port?", "data_dir?")
_RESOURCE = ("az?", "node_id", "node_name", "untitled_ip", "resource", "instance_id")
# An early CM printed a resource's address always, and the title of it only with -i.
_ADDRESS_COLUMNS = ("ip", "untitled_ip")


class Title(enum.Enum):
    """What the title line said of addresses."""

    NOT_SEEN = enum.auto()
    WITH_ADDRESS = enum.auto()
    WITHOUT_ADDRESS = enum.auto()


@dataclass(frozen=True)
class _Fit:
    """A row read with one set of columns: the text of each, and the words behind them."""

    columns: Mapping[str, str]
    words: tuple[str, ...]

    @property
    def state(self) -> str:
        """The words as one text."""
        return " ".join(self.words)

    @property
    def place(self) -> Place:
        """The columns that every table has."""
        columns = self.columns
        return Place(
            columns["node_id"],
            columns["node_name"],
            columns.get("ip", columns.get("address", "")),
            columns.get("az", ""),
        )


def cm_server(tokens: Sequence[str], title: Title) -> Read[CmServer]:
    """Read a row of CMServer State."""
    fit = _with_state(_fits(tokens, _SERVER, title), CmServerState)
    if fit is None:
        return None
    state, unknown = understand(Field.CM_SERVER_STATE, CmServerState, fit.state)
    directory = fit.columns.get("data_dir", "")
    return CmServer(fit.place, fit.columns["instance_id"], state, directory), unknown


def resource(tokens: Sequence[str], title: Title) -> Read[Resource]:
    """Read a row of Defined Resource State."""
    fit = _with_state(_fits(tokens, _RESOURCE, title), ResourceState)
    if fit is None:
        return None
    word, role = _split_detail(fit.state)
    state, unknown = understand(Field.RESOURCE_STATE, ResourceState, word)
    name, instance_id = fit.columns["resource"], fit.columns["instance_id"]
    return Resource(fit.place, name, instance_id, state, role), unknown


def datanode(tokens: Sequence[str], title: Title) -> Read[Datanode]:
    """Read one cell of Datanode State: what stands between two ``|``."""
    fits = [fit for fit in _fits(tokens, _DATANODE, title) if _speaks_of_a_datanode(fit)]
    # The best fit counts, and of equals the first, the one with fewer columns.
    fit = max(fits, key=_known_words, default=None)
    return _datanode(fit) if fit else None


def _datanode(fit: _Fit) -> tuple[Datanode, Unknown]:
    role_text, state_text = _split_role(fit.words[1:])
    word, detail = _split_detail(state_text)
    static_role, no_static = understand(Field.STATIC_ROLE, StaticRole, fit.words[0])
    role, no_role = understand(Field.DATANODE_ROLE, DatanodeRole, role_text)
    state, no_state = understand(Field.DATANODE_STATE, DatanodeState, word)
    progress = percentage(detail)
    row = Datanode(
        fit.place,
        fit.columns["instance_id"],
        role,
        state,
        static_role,
        int(fit.columns["port"]) if "port" in fit.columns else None,
        fit.columns.get("data_dir", ""),
        reason="" if progress is not None else detail,
        progress=progress,
    )
    return row, no_static + no_role + no_state


def understand(field: Field, words: type[Word], text: str) -> tuple[Word, Unknown]:
    """Find the word; one that is not in the vocabulary is Unknown, and is reported as such."""
    word = known(words, text)
    if word is not None:
        return word, ()
    return words("Unknown"), (UnknownToken(field, text[:MOST_SHOWN]),)


def known(words: type[Word], text: str) -> Optional[Word]:
    """Find the word in the vocabulary, or None."""
    return _vocabulary(words).get(text)


@cache
def _vocabulary(words: type[Word]) -> Mapping[str, Word]:
    return {word.value: word for word in words}


def is_id(token: str) -> bool:
    """Tell whether this can be a node's or an instance's number."""
    return bool(_ID.fullmatch(token))


def percentage(text: str) -> Optional[int]:
    """Read ``37%``; None for anything else."""
    number = text[:-1]
    return int(number) if text.endswith("%") and is_id(number) else None


def unknown_row(tokens: Sequence[str]) -> Unknown:
    """Report a line that begins like a row, but fits its table in no way."""
    begins = is_id(tokens[0]) or (len(tokens) > 1 and tokens[0].isalnum() and is_id(tokens[1]))
    return (UnknownToken(Field.ROW, " ".join(tokens)[:MOST_SHOWN]),) if begins else ()


def _fits(tokens: Sequence[str], pattern: tuple[str, ...], title: Title) -> Iterator[_Fit]:
    """Read the row in every way that its tokens allow, those with fewer columns first.

    Without a title line a token counts as the address only when it is one. The words behind the
    columns are never empty, and never more than the longest state has.
    """
    for shape in _shapes(pattern, title):
        if 0 < len(tokens) - len(shape) <= _MOST_WORDS and all(
            _LOOKS[column](token) for column, token in zip(shape, tokens)
        ):
            yield _Fit(dict(zip(shape, tokens)), tuple(tokens[len(shape) :]))


@cache
def _shapes(pattern: tuple[str, ...], title: Title) -> tuple[tuple[str, ...], ...]:
    choices = [_choices(column, title) for column in pattern]
    shapes = (tuple(itertools.chain(*choice)) for choice in itertools.product(*choices))
    untitled = "address" if title is Title.WITHOUT_ADDRESS else ""
    return tuple(sorted(shapes, key=lambda shape: (untitled in shape, "az" in shape, len(shape))))


def _choices(column: str, title: Title) -> tuple[tuple[str, ...], ...]:
    if column.endswith("?"):
        return ((), (column[:-1],))
    if column not in _ADDRESS_COLUMNS:
        return ((column,),)
    if title is Title.WITH_ADDRESS:
        return (("ip",),)
    sure = title is Title.WITHOUT_ADDRESS and column == "ip"
    return ((),) if sure else ((), ("address",))


def _with_state(fits: Iterator[_Fit], words: type[Word]) -> Optional[_Fit]:
    """Choose the first fit that ends in a known state, else the first that could be one."""
    by_word = [(_split_detail(fit.state)[0], fit) for fit in fits]
    possible = [(word, fit) for word, fit in by_word if _PLAUSIBLE.fullmatch(word)]
    sure = (fit for word, fit in possible if known(words, word))
    return next(sure, possible[0][1] if possible else None)


def _speaks_of_a_datanode(fit: _Fit) -> bool:
    if len(fit.words) < _STATIC_AND_ROLE:
        return False
    role, state = _split_role(fit.words[1:])
    if not (known(StaticRole, fit.words[0]) or known(DatanodeRole, role)):
        return False
    could_be = (role, _split_detail(state)[0]) if state else (role,)
    return all(map(_PLAUSIBLE.fullmatch, could_be))


def _known_words(fit: _Fit) -> tuple[bool, bool, bool, bool]:
    role, state = _split_role(fit.words[1:])
    return (
        known(StaticRole, fit.words[0]) is not None,
        known(DatanodeRole, role) is not None,
        known(DatanodeState, _split_detail(state)[0]) is not None,
        int(fit.columns["instance_id"]) >= _FIRST_DATANODE,
    )


def _split_detail(text: str) -> tuple[str, str]:
    """Part ``Need repair(Disconnected)`` or ``OnLine  (Primary)`` into word and detail."""
    if not text.endswith(")"):
        return text, ""
    word, _, detail = text[:-1].partition("(")
    return word.rstrip(), detail.strip()


def _split_role(words: Sequence[str]) -> tuple[str, str]:
    """Part a datanode's last words into role and HA state, either of which may be two words.

    A role that is known decides; else a state that is known; else the first word is the role.
    """
    for length in (2, 1):
        role = " ".join(words[:length])
        if len(words) > length and known(DatanodeRole, role):
            return role, " ".join(words[length:])
    for length in range(1, len(words)):
        state = " ".join(words[length:])
        if known(DatanodeState, _split_detail(state)[0]):
            return " ".join(words[:length]), state
    return words[0], " ".join(words[1:])


def _is_port(token: str) -> bool:
    return bool(_PORT.fullmatch(token)) and int(token) <= _HIGHEST_PORT


def _is_address(token: str) -> bool:
    try:
        ip_address(token)
    except ValueError:
        return False
    return True


def _is_anything(_token: str) -> bool:
    return True


_LOOKS: Mapping[str, Callable[[str], bool]] = {
    "az": _is_anything,
    "node_id": is_id,
    "node_name": _is_anything,
    "ip": _is_anything,
    "address": _is_address,
    "resource": _is_anything,
    "instance_id": is_id,
    "port": _is_port,
    "data_dir": lambda token: token.startswith("/"),
}
