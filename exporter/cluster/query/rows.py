"""The rows of each table: tokens → a fact and the words that were not understood, or None."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional, TypeVar

from exporter.cluster.facts import CmServer, Datanode, Etcd, FencedUdf, Kerberos, Resource, Row
from exporter.cluster.query import columns
from exporter.cluster.query.columns import Fit, Title
from exporter.cluster.query.words import (
    Unknown,
    Word,
    known,
    plausible,
    split_detail,
    split_role,
    understand,
)
from exporter.cluster.words import (
    CmServerState,
    DatanodeRole,
    DatanodeState,
    EtcdState,
    Field,
    KerberosState,
    ResourceState,
    StaticRole,
)

AnyRow = TypeVar("AnyRow", bound=Row)
Read = Optional[tuple[AnyRow, Unknown]]
Tokens = Sequence[str]

_FIRST_DATANODE = 6001  # CM numbers datanodes from here, so no other column passes for one
_STATIC_AND_ROLE = 2


def cm_server(tokens: Tokens, title: Title) -> Read[CmServer]:
    """Read a row of CMServer State."""
    fit = _with_state(columns.fits(tokens, columns.SERVER, title), CmServerState)
    if fit is None:
        return None
    state, unknown = understand(Field.CM_SERVER_STATE, CmServerState, " ".join(fit.rest))
    return CmServer(fit.place, fit.columns["instance_id"], state, _directory(fit)), unknown


def etcd(tokens: Tokens, title: Title) -> Read[Etcd]:
    """Read a row of ETCD State."""
    fit = _with_state(columns.fits(tokens, columns.SERVER, title), EtcdState)
    if fit is None:
        return None
    state, unknown = understand(Field.ETCD_STATE, EtcdState, " ".join(fit.rest))
    return Etcd(fit.place, fit.columns["instance_id"], state, _directory(fit)), unknown


def kerberos(tokens: Tokens, title: Title) -> Read[Kerberos]:
    """Read a row of Kerberos State."""
    fit = _with_state(columns.fits(tokens, columns.KERBEROS, title), KerberosState)
    if fit is None or fit.port is None:
        return None
    state, unknown = understand(Field.KERBEROS_STATE, KerberosState, " ".join(fit.rest))
    return Kerberos(fit.place, fit.port, state), unknown


def resource(tokens: Tokens, title: Title) -> Read[Resource]:
    """Read a row of Defined Resource State."""
    fit = _with_state(columns.fits(tokens, columns.RESOURCE, title), ResourceState)
    if fit is None:
        return None
    word, role = split_detail(" ".join(fit.rest))
    state, unknown = understand(Field.RESOURCE_STATE, ResourceState, word)
    name, instance_id = fit.columns["resource"], fit.columns["instance_id"]
    return Resource(fit.place, name, instance_id, state, role), unknown


def fenced_udf(tokens: Tokens, title: Title) -> Read[FencedUdf]:
    """Read a row of Fenced UDF State."""
    fit = _with_state(columns.fits(tokens, columns.FENCED_UDF, title), DatanodeRole)
    if fit is None:
        return None
    state, unknown = understand(Field.FENCED_UDF_STATE, DatanodeRole, " ".join(fit.rest))
    return FencedUdf(fit.place, state), unknown


def datanode(tokens: Tokens, title: Title) -> Read[Datanode]:
    """Read one cell of Datanode State: what stands between two ``|``."""
    possible = [
        fit
        for fit in columns.fits(tokens, columns.DATANODE, title)
        if len(fit.rest) >= _STATIC_AND_ROLE and _speaks_of_a_datanode(fit)
    ]
    # The best fit counts, and of equals the first, the one with fewer columns.
    fit = max(possible, key=_known_words, default=None)
    return _datanode(fit) if fit else None


def _datanode(fit: Fit) -> tuple[Datanode, Unknown]:
    role_text, state_text = split_role(fit.rest[1:])
    word, detail = split_detail(state_text)
    static_role, no_static = understand(Field.STATIC_ROLE, StaticRole, fit.rest[0])
    role, no_role = understand(Field.DATANODE_ROLE, DatanodeRole, role_text)
    state, no_state = understand(Field.DATANODE_STATE, DatanodeState, word)
    progress = percentage(detail)
    row = Datanode(
        fit.place,
        fit.columns["instance_id"],
        role,
        state,
        static_role,
        fit.port,
        _directory(fit),
        reason="" if progress is not None else detail,
        progress=progress,
    )
    return row, no_static + no_role + no_state


def percentage(text: str) -> Optional[int]:
    """Read ``37%``; None for anything else."""
    number = text[:-1]
    return int(number) if text.endswith("%") and columns.is_id(number) else None


def _speaks_of_a_datanode(fit: Fit) -> bool:
    role, state = split_role(fit.rest[1:])
    if not (known(StaticRole, fit.rest[0]) or known(DatanodeRole, role)):
        return False
    return plausible(role) and (not state or plausible(split_detail(state)[0]))


def _known_words(fit: Fit) -> tuple[bool, bool, bool, bool]:
    role, state = split_role(fit.rest[1:])
    return (
        known(StaticRole, fit.rest[0]) is not None,
        known(DatanodeRole, role) is not None,
        known(DatanodeState, split_detail(state)[0]) is not None,
        int(fit.columns["instance_id"]) >= _FIRST_DATANODE,
    )


def _with_state(candidates: Iterator[Fit], words: type[Word]) -> Optional[Fit]:
    """Choose the first fit that ends in a known state, else the first that could be one."""
    possible = [fit for fit in candidates if plausible(_state_word(fit))]
    spoken = (fit for fit in possible if known(words, _state_word(fit)))
    return next(spoken, possible[0] if possible else None)


def _state_word(fit: Fit) -> str:
    return split_detail(" ".join(fit.rest))[0]


def _directory(fit: Fit) -> str:
    return fit.columns.get("data_dir", "")
