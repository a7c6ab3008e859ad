"""What each privilege buys, tried one by one: docs/security.md shows the same table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder
from tests.support.programs import free_port
from tests.support.truth import seen

HERE = "127.0.0.1"
SECURITY_PAGE = Path(__file__).resolve().parent.parent / "docs" / "security.md"
LEVELS = {
    "none": ("uid", "the user"),
    "CAP_SYS_PTRACE alone": ("uid", "the user"),
    "CAP_DAC_READ_SEARCH alone": ("uid", "the user"),
    "both": ("full", "user, pid, program, start time"),
    "root": ("full", "user, pid, program, start time"),
}
CAPABILITIES = {
    "none": (),
    "CAP_SYS_PTRACE alone": ("sys_ptrace",),
    "CAP_DAC_READ_SEARCH alone": ("dac_read_search",),
    "both": ("sys_ptrace", "dac_read_search"),
}


def as_service(capabilities: Sequence[str]) -> tuple[str, ...]:
    """Write the words that give a program these capabilities and nothing else."""
    grant = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    user = ("--reuid=65533", "--regid=65533", "--clear-groups")
    sets = (f"--bounding-set={grant}", f"--inh-caps={grant}", f"--ambient-caps={grant}")
    return ("setpriv", *user, *sets, "--no-new-privs", "--")


@pytest.mark.privileged
@pytest.mark.parametrize("privilege", list(LEVELS))
def test_what_is_told_of_a_foreign_holder(privilege: str) -> None:
    """Each level tells what it can see, and never claims more."""
    level, _ = LEVELS[privilege]
    port = free_port()
    entry = {"endpoint": "cm_server", "instance_id": "1", "port": port}
    prefix = () if privilege == "root" else as_service(CAPABILITIES[privilege])
    with Holder(f"listen,{HERE},{port}", options=("--uid", "65534")) as holder:
        with ExporterProcess(json.dumps({"endpoints": [entry]}), prefix=prefix) as exporter:
            page = exporter.metrics()
        (found,) = seen(page, endpoint="cm_server", instance_id="1").holders
    named = level == "full"
    assert (found["relation"], found["user"]) == ("foreign", "nobody")
    assert found["pid"] == (str(holder.pid) if named else "0")
    assert bool(found["process"]) is bool(found["exe"]) is named
    assert f'opengauss_port_attribution{{level="{level}"}} 1.0' in page


def test_the_security_page_has_this_table() -> None:
    """Every level stands in the page with what it tells."""
    text = SECURITY_PAGE.read_text(encoding="utf-8")
    for privilege, (level, told) in LEVELS.items():
        words = privilege.replace("CAP_SYS_PTRACE", "`CAP_SYS_PTRACE`")
        words = words.replace("CAP_DAC_READ_SEARCH", "`CAP_DAC_READ_SEARCH`")
        assert f"| {words} | `{level}` | {told} |" in text
