"""cm_ctl query under fire: every cluster comes back as printed, and nothing is ever made up.

``make fuzz`` gives it 200,000 inputs (FUZZ_INPUTS); the default suite a few of each kind.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.cluster.facts import (
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Place,
    Problem,
    Resource,
    ResourceState,
    Row,
    StaticRole,
)
from exporter.cluster.query import parse
from exporter.errors import ParseError
from tests.support.cm_ctl_printer import (
    REASONS,
    RECORDS,
    Columns,
    noise,
    print_details,
    print_tables,
)

INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000"))
GRAMMAR = settings(
    max_examples=max(40, INPUTS // 40),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SAMPLES = Path(__file__).parent.parent / "samples"
CPU_LIMIT = 0.05

_WORDS = st.sampled_from(
    (
        "Primary",
        "Down",
        "P",
        "S",
        "Normal",
        "node",
        "state",
        "1",
        "6001",
        "15400",
        "10.0.0.1",
        "::1",
    )
)
_NAMES = _WORDS | st.text("abcXYZ0123456789.-_:()%/", min_size=1, max_size=12)
_PATHS = st.text("abc019._-/", max_size=10).map(lambda text: f"/{text}")
_ADDRESSES = st.ip_addresses().map(str)
_AZS = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True)
_REASONS = st.sampled_from(("", "Disconnected", "WAL segment removed", "User/Password invalid"))
_COLUMNS = st.builds(Columns, *[st.booleans()] * 6)
_RECORD = st.builds(noise, st.integers(0, len(RECORDS) - 1), st.integers(0, len(REASONS) - 1))
_NOISE = st.lists(st.tuples(st.integers(0, 99), _RECORD), max_size=8)


def _some(draw: st.DrawFn, strategy: st.SearchStrategy[str], *, shown: bool) -> str:
    return draw(strategy) if shown else ""


@st.composite
def _places(draw: st.DrawFn, columns: Columns) -> list[Place]:
    return [
        Place(
            str(node_id),
            draw(_NAMES),
            _some(draw, _ADDRESSES, shown=columns.ip),
            _some(draw, _AZS, shown=columns.az),
        )
        for node_id in range(1, draw(st.integers(1, 9)) + 1)
    ]


@st.composite
def _datanode(draw: st.DrawFn, place: Place, columns: Columns, *, detailed: bool) -> Datanode:
    static_role = draw(st.sampled_from([role for role in StaticRole if role.value != "Unknown"]))
    state = draw(st.sampled_from(DatanodeState))
    building = state is DatanodeState.BUILDING
    needs_reason = detailed or state is DatanodeState.NEED_REPAIR
    port = columns.port and static_role is not StaticRole.DUMMY
    return Datanode(
        place,
        str(6000 + int(place.node_id)),
        draw(st.sampled_from(DatanodeRole)),
        state,
        None if detailed else static_role,
        draw(st.integers(1, 65535)) if port else None,
        _some(draw, _PATHS, shown=columns.data_dir),
        reason=_some(draw, _REASONS, shown=needs_reason and not building),
        progress=draw(st.integers(0, 100)) if building else None,
    )


@st.composite
def _tables(draw: st.DrawFn) -> tuple[ClusterView, Columns]:
    columns = draw(_COLUMNS)
    places = draw(_places(columns))
    problem = draw(st.none() | st.sampled_from(Problem))
    if problem:
        return ClusterView(cm_servers=draw(_servers(places, columns)), problem=problem), columns
    view = ClusterView(
        draw(st.sampled_from(ClusterState)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(_servers(places, columns)),
        tuple(draw(_datanode(place, columns, detailed=False)) for place in places),
        draw(_resources(places)) if draw(st.booleans()) else (),
    )
    return view, columns


@st.composite
def _servers(draw: st.DrawFn, places: list[Place], columns: Columns) -> tuple[CmServer, ...]:
    return tuple(
        CmServer(
            place,
            place.node_id,
            draw(st.sampled_from(CmServerState)),
            _some(draw, _PATHS, shown=columns.data_dir),
        )
        for place in places
    )


@st.composite
def _resources(draw: st.DrawFn, places: list[Place]) -> tuple[Resource, ...]:
    return tuple(
        Resource(
            place,
            draw(_NAMES),
            str(20000 + int(place.node_id)),
            draw(st.sampled_from(ResourceState)),
            draw(st.sampled_from(("", "Primary", "Standby"))),
        )
        for place in places
    )


@st.composite
def _details(draw: st.DrawFn) -> ClusterView:
    columns = Columns(ip=True, data_dir=True)
    places = draw(_places(columns))
    return ClusterView(
        draw(st.sampled_from(ClusterState)),
        draw(st.booleans()),
        draw(st.booleans()),
        paused=draw(st.booleans()),
        cm_servers=draw(_servers(places, columns)),
        datanodes=tuple(draw(_datanode(place, columns, detailed=True)) for place in places),
    )


@GRAMMAR
@given(_tables(), _NOISE)
def test_every_cluster_comes_back_as_it_was_printed(
    printed: tuple[ClusterView, Columns], records: list[tuple[int, str]]
) -> None:
    """Any names, any columns, any states, with CM's log woven in or without."""
    view, columns = printed
    assert _timed(print_tables(view, columns, records)) == view


@GRAMMAR
@given(_details())
def test_every_detailed_cluster_comes_back_as_it_was_printed(view: ClusterView) -> None:
    """The same for the blocks of -v without -C."""
    assert _timed(print_details(view)) == view


def _timed(text: str) -> ClusterView:
    """Parse within the limit of CPU time, which is measured again when it seems to be passed.

    Neither other processes' load nor a garbage collection of the whole test run is the parser's.
    """
    if _cost(text) > CPU_LIMIT:
        gc.collect()
        assert min(_cost(text) for _ in range(3)) < CPU_LIMIT, text
    return parse(text)


def _cost(text: str) -> float:
    start = time.thread_time()
    with contextlib.suppress(ParseError):
        parse(text)
    return time.thread_time() - start


def _originals() -> list[str]:
    tables = (SAMPLES / "cm_ctl_query").glob("*.stdout")
    recorded = (SAMPLES / "cm_cluster").glob("*/node1/cmd/*.stdout")
    return sorted({path.read_text() for path in (*tables, *recorded)})


ORIGINALS = _originals()
TOKENS = sorted({word for text in ORIGINALS for word in text.split()})
_LINES = [line for text in ORIGINALS for line in text.split("\n") if line]


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _flip(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + chr(rng.choice((0, 9, 10, 32, 40, 58, 91, 124, 0x2028, 0xFFFD))) + text[at:]


def _drop(text: str, rng: random.Random) -> str:
    first, last = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    return text[:first] + text[min(last, first + 40) :]


def _double(text: str, rng: random.Random) -> str:
    first = rng.randrange(len(text) + 1)
    return text[: first + 200] + text[first:]


def _replace_word(text: str, rng: random.Random) -> str:
    words = re.split(r"(\s+)", text)
    words[rng.randrange(len(words))] = rng.choice(TOKENS)
    return "".join(words)


def _insert_line(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(_LINES))
    return "\n".join(lines)


def _swap_lines(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def _weave(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + noise(rng.randrange(len(RECORDS)), rng.randrange(len(REASONS))) + text[at:]


def _splice(text: str, rng: random.Random) -> str:
    other = rng.choice(ORIGINALS)
    return _cut(text, rng) + other[rng.randrange(len(other) + 1) :]


_MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _cut,
    _flip,
    _drop,
    _double,
    _replace_word,
    _insert_line,
    _swap_lines,
    _weave,
    _splice,
)


def _mutated(seed: int) -> str:
    rng = random.Random(seed)  # noqa: S311 - an input that its seed brings back
    text = rng.choice(ORIGINALS)
    for _ in range(rng.randint(1, 6)):
        text = rng.choice(_MUTATIONS)(text, rng)
    return text


def _named(row: Row) -> Iterator[str]:
    """Name everything that a row claims, in the words that must stand in the text."""
    place = row.place
    yield from (place.node_id, place.node_name, place.ip, place.az)
    for name in ("instance_id", "data_dir", "resource", "role", "state", "static_role", "reason"):
        value = getattr(row, name, "") or ""
        yield from (word for word in getattr(value, "value", value).split() if word != "Unknown")
    port = getattr(row, "port", None)
    yield "" if port is None else str(port)


def _claims(view: ClusterView) -> set[str]:
    rows: tuple[Row, ...] = (
        *view.cm_servers,
        *view.datanodes,
        *view.resources,
    )
    claims = {word for row in rows for word in _named(row)}
    if view.cluster_state and view.cluster_state is not ClusterState.UNKNOWN:
        claims.add(view.cluster_state.value)
    return claims


def _survives(seed: int) -> None:
    text = _mutated(seed)
    try:
        view = _timed(text)
    except ParseError:
        return
    made_up = [word for word in _claims(view) if word not in text]
    assert not made_up, f"seed {seed}: {made_up}"
    keys = [row.key for row in view.datanodes]
    assert len(keys) == len(set(keys)), f"seed {seed}"


@pytest.mark.parametrize("part", range(10))
def test_a_damaged_output_is_an_error_or_a_part_of_the_truth(part: int) -> None:
    """Only ParseError, within 50 ms, and no node, state or port that is not in the text."""
    share = INPUTS * 95 // 1000
    for seed in range(part * share, (part + 1) * share):
        _survives(seed)


@pytest.mark.parametrize(
    "piece",
    [
        "1 n1 10.0.0.1 6001 15400 /dn P Primary Normal\n",
        "| ",
        "1 ",
        "(",
        "a\n",
        "a : b\n",
        "cm_ctl: opendir ",
        "write_log_file,log file is null now:",
        ".",
        "[",
    ],
)
def test_a_long_output_is_read_in_linear_time(piece: str) -> None:
    """Eight times the output costs about eight times the time, not 64: nothing can hang it."""
    head = "[  Datanode State   ]\n\nnode node_ip instance state\n"

    def cost(size: int) -> float:
        text = head + piece * (size // len(piece))
        return min(_cost(text) for _ in range(3))

    assert cost(96_000) < 24 * cost(12_000) + 0.02
