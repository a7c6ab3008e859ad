"""cm_agent.conf, cm_server.conf and dss_inst.ini."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.errors import ParseError
from exporter.installation.facts import DssInstance, ListedInstance
from exporter.installation.text_files import cm_number, parse_cm_conf, parse_dss_inst

RECORDED = Path(__file__).parent.parent / "samples" / "cm_cluster" / "a_healthy_2node" / "node1"


def test_the_recorded_cm_agent_conf_is_read() -> None:
    """Quotes, comments with and without a blank, and tabs are taken as cm_agent takes them."""
    values = parse_cm_conf((RECORDED / "cm_agent.conf").read_text(), "cm_agent.conf")
    assert values["log_dir"] == "/var/log/omm/omm/cm/cm_agent"
    assert values["unix_socket_directory"] == "/opt/huawei/tmp"
    assert values["log_max_size"] == "10240"
    assert values["environment_threshold"] == "(90,90,90,0,0)"
    assert values["alarm_component"] == ""
    assert cm_number(values, "agent_rhb_interval", 5) == 1000
    assert "on_failover" not in "".join(values)


def test_the_recorded_cm_server_conf_is_read() -> None:
    """What decides about the ports of cm_server is read."""
    values = parse_cm_conf((RECORDED / "cm_server.conf").read_text(), "cm_server.conf")
    assert cm_number(values, "ddb_type", 0) == 1
    assert values["share_disk_path"] == ""
    assert values["cm_krb_server_keyfile"] == "${GAUSSHOME}/kerberos/{UserName}.keytab"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ddb_type = 2", 2),
        ("ddb_type=2#shared disk", 2),
        ("ddb_type = 1\nddb_type = 2", 1),
        ("#ddb_type = 1\n ddb_type = 2 ", 2),
        ("ddb_type = two", 7),
        ("ddb_types = 2", 7),
        ("x = 1", 7),
    ],
)
def test_numbers_are_those_that_cm_would_take(text: str, value: int) -> None:
    """The first line counts, and what is no number is the default."""
    assert cm_number(parse_cm_conf(text, "f"), "ddb_type", 7) == value


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "no assignment here", "= 5"])
def test_a_file_without_any_assignment_is_an_error(text: str) -> None:
    """Nothing recognised is an error, never an empty configuration."""
    with pytest.raises(ParseError, match=r"^cm_agent.conf: expected lines of name = value"):
        parse_cm_conf(text, "cm_agent.conf")


DSS = """\
INST_ID=1
_LOG_LEVEL=255
DSS_NODES_LIST=0:192.168.10.11:12720,1:192.168.10.12:12720
LSNR_PATH=/opt/huawei/install/dss
STORAGE_MODE=SHARE_DISK
"""


def test_dss_inst_ini_as_om_writes_it_is_read() -> None:
    """The own number and all addresses are read."""
    assert parse_dss_inst(DSS) == DssInstance(
        1, (ListedInstance(0, "192.168.10.11", 12720), ListedInstance(1, "192.168.10.12", 12720))
    )


def test_a_dss_without_a_list_has_no_peers() -> None:
    """A dssserver alone is a fact, not an error."""
    assert parse_dss_inst("INST_ID = 0\n") == DssInstance(0, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected lines"),
        ("INST_ID=x\n", "INST_ID: expected a number, found 'x'"),
        ("INST_ID=3\nDSS_NODES_LIST=0:a:1\n", "INST_ID: expected one of DSS_NODES_LIST, found 3"),
        ("INST_ID=0\nDSS_NODES_LIST=nonsense\n", "DSS_NODES_LIST: expected number:address:port"),
    ],
)
def test_a_malformed_dss_inst_ini_is_an_error(text: str, message: str) -> None:
    """The message names the file and the setting."""
    with pytest.raises(ParseError, match=f"^dss_inst.ini: {message}"):
        parse_dss_inst(text)
