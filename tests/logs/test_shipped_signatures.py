"""The shipped signatures against what the programs write."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Checks, parse_signatures
from exporter.config.schema import Signature
from exporter.logs.matcher import LogMatcher
from exporter.logs.patterns import pattern_problem
from exporter.logs.records import grammars_of
from exporter.parts import shipped_signatures
from tests.support.recorded_logs import CM_SOURCES, SAMPLES, recorded

SIGNATURES = parse_signatures(
    shipped_signatures(), "signatures.yml", Checks(pattern_problem=pattern_problem)
)
BY_ID = {signature.id: signature for signature in SIGNATURES}
EXAMPLES = yaml.safe_load((SAMPLES.parent / "log_records.yml").read_text(encoding="utf-8"))

FIXED_NAMES = frozenset(
    {
        *("port_in_use", "cm_server_start", "dn_port_conflict", "resource_restart"),
        *("resource_restart_limit", "depend_resource_down", "agent_port_conflict"),
        *("cm_server_bind_failed", "cmserver_connected", "cmserver_refused", "cmserver_timeout"),
        *("not_a_cm_server", "cmserver_closed", "start_exceeds_2min", "start_failed"),
        *("agent_died", "db_bind_failed", "db_listen_failed", "db_ha_listen_failed"),
        *("db_lock_file_exists", "dms_port_conflict", "dms_bind_failed", "mes_listener_failed"),
        "install_port_occupied",
    }
)


def _matcher(source: str) -> LogMatcher:
    wanted = [signature for signature in SIGNATURES if source in signature.sources]
    return LogMatcher(wanted, grammars_of(source))


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [(source, e["text"], e["expected"]) for e in EXAMPLES for source in e["sources"]],
)
def test_example_has_its_signatures_and_no_other(
    source: str, text: str, expected: dict[str, dict[str, str]]
) -> None:
    """What a program writes has the signatures it should have, with the fields that it names."""
    scan = _matcher(source).scan(text.encode(), more=False)
    assert {found.signature.id: dict(found.fields) for found in scan.groups} == expected
    assert all(found.counted == 1 for found in scan.groups)


_GIVEN_UP = "but restart times (5) >= limit (5), can't do restart again, will do manually stop."
_NOT_A_CM_SERVER = "expected authentication request from server, but received "
# Beside the examples: wordings of one meaning, and their neighbours that have another.
VARIANTS: tuple[tuple[str, str, dict[str, dict[str, str]]], ...] = (
    (
        "cm_agent",
        f"LOG: res(dms_res) inst(6001) is abnormal, {_GIVEN_UP}",
        {
            "resource_restart_limit": {
                "resource": "dms_res",
                "instance_id": "6001",
                "count": "5",
                "limit": "5",
            }
        },
    ),
    (
        "cm_agent",
        "LOG: res(dms_res) inst(6001) is abnormal, but has been kick out, need stop it.",
        {},
    ),
    ("cm_agent", "ERROR: data path disc writable test failed, /dn.", {"disk_fault": {}}),
    ("cm_agent", "ERROR: link path disc writable test failed, /dn.", {"disk_fault": {}}),
    ("cm_agent", "LOG: g_cmsDiskDamage is 0, and g_cmsNicDown is 1, cannot start cms.", {}),
    (
        "cm_ctl",
        f"DEBUG1: 461 : connect to cmserver failed: {_NOT_A_CM_SERVER}\n\n.",
        {"not_a_cm_server": {}},
    ),
    ("cm_ctl", 'DEBUG1: ip: "10.77.0.1", cmd: "cm_ctl stop". ', {"stop_requested": {}}),
    ("cm_ctl", 'DEBUG1: ip: "10.77.0.1", cmd: "cm_ctl stop -n 2". ', {"stop_requested": {}}),
    ("cm_ctl", 'DEBUG1: ip: "10.77.0.1", cmd: "cm_ctl -m i stop". ', {"stop_requested": {}}),
    ("cm_ctl", 'DEBUG1: ip: "10.77.0.1", cmd: "cm_ctl check -T /data/stop-dn". ', {}),
    (
        "cm_ctl",
        "LOG: start cluster successfully. There is a coordinator that has been deleted. ",
        {"start_succeeded": {}},
    ),
    (
        "cm_ctl",
        "LOG: start resource instance successfully(nodeId:2, instId:20002).",
        {"start_succeeded": {}},
    ),
    (
        "cm_ctl",
        "LOG: start relation datanodes successfully(node:2, path:/dn).",
        {"start_succeeded": {}},
    ),
    ("cm_ctl", "LOG: start node successfully, nodeid: 2. ", {}),  # one of an availability zone
)


@pytest.mark.parametrize(("source", "text", "expected"), VARIANTS)
def test_every_wording_of_a_meaning_has_its_signature(
    source: str, text: str, expected: dict[str, dict[str, str]]
) -> None:
    """CM says some things in more than one way, and what only sounds alike has no signature."""
    record = f"2026-11-22 12:13:21.728 tid=51 StartAndStop {text}\n"
    scan = _matcher(source).scan(record.encode(), more=False)
    assert {found.signature.id: dict(found.fields) for found in scan.groups} == expected


@given(st.data())
@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.id)
def test_every_line_that_matches_has_one_of_the_texts(
    signature: Signature, data: st.DataObject
) -> None:
    """Lines are looked for by the texts: nothing that a pattern can match is without one."""
    text = data.draw(st.from_regex(signature.pattern, fullmatch=True))
    assert any(wanted in text for wanted in signature.contains)


def test_names_that_others_build_on_are_there() -> None:
    """The signatures with fixed names exist."""
    assert set(BY_ID) >= FIXED_NAMES


def _recorded_counts(source: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in recorded(source):
        for found in _matcher(source).scan(path.read_bytes(), final=True).groups:
            counts[found.signature.id] = counts.get(found.signature.id, 0) + found.counted
    return counts


def test_every_signature_is_proved_by_an_example_or_a_recording() -> None:
    """No pattern is shipped that nothing ever showed to match."""
    proved = {identity for example in EXAMPLES for identity in example["expected"]}
    for source in CM_SOURCES:
        proved |= set(_recorded_counts(source))
    unproved = sorted(set(BY_ID) - proved)
    assert not unproved, f"tests/samples/log_records.yml wants an example of each of {unproved}"


def _grep(signature: Signature, source: str) -> int:
    paths = [str(path) for path in recorded(source)]
    run = subprocess.run(
        ["grep", "-a", "-c", "-h", "-P", signature.pattern, *paths],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    assert run.returncode in (0, 1), run.stderr
    return sum(map(int, run.stdout.split()))


@pytest.mark.parametrize("source", CM_SOURCES)
def test_recordings_have_as_many_records_as_grep_counts(source: str) -> None:
    """In each recorded source every signature is found exactly as often as grep finds it."""
    wanted = [signature for signature in SIGNATURES if source in signature.sources]
    counts = _recorded_counts(source)
    assert {s.id: counts.get(s.id, 0) for s in wanted} == {s.id: _grep(s, source) for s in wanted}
    assert sum(counts.values()) > 0 or source == "system_call"
