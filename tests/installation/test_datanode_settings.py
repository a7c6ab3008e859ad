"""What a datanode's settings decide."""

from __future__ import annotations

import pytest

from exporter.errors import ParseError
from exporter.installation.facts import DatanodeSettings, ListedInstance, ReplicationChannel
from exporter.installation.postgresql_conf import parse_datanode_settings, parse_postgresql_conf


def _settings(text: str) -> DatanodeSettings:
    return parse_datanode_settings(parse_postgresql_conf(text, "/dn/postgresql.conf"))


def test_everything_that_decides_is_read() -> None:
    """Ports, addresses, channels to the own and to another cluster, DMS and the log directory."""
    text = """
    port = 12710
    listen_addresses = 'localhost, 10.0.0.1,"OgDb1"'
    replconninfo1 = 'localhost=10.0.0.1 localport=12711 localheartbeatport=12715 remotehost=b'
    replconninfo9 = 'this is no channel of openGauss'
    cross_cluster_replconninfo1 = 'localhost=10.0.0.1 localport=12711 remotehost=c remoteport=5'
    ss_enable_dms = ON
    ss_instance_id = 1
    ss_interconnect_url = '0:10.0.0.1:12730,1:10.0.0.2:12730'
    log_directory = '/var/log/dn_6001'
    """
    assert _settings(text) == DatanodeSettings(
        port=12710,
        listen_addresses=("localhost", "10.0.0.1", "ogdb1"),
        channels=(ReplicationChannel("10.0.0.1", 12711, 12715),),
        cross_channels=(ReplicationChannel("10.0.0.1", 12711),),
        dms=True,
        dms_number=1,
        dms_instances=(
            ListedInstance(0, "10.0.0.1", 12730),
            ListedInstance(1, "10.0.0.2", 12730),
        ),
        log_directory="/var/log/dn_6001",
    )


@pytest.mark.parametrize(
    "written", ["15400", "0x3c28", "036050", "'0X3C28'", "' 15400 '", "+15400"]
)
def test_a_port_is_the_number_that_the_server_takes(written: str) -> None:
    """The server reads integers as C does, a leading 0 or 0x included."""
    assert _settings(f"port = {written}").port == 15400


def test_what_a_file_does_not_say_is_not_known() -> None:
    """Nothing is filled in."""
    assert _settings("# nothing") == DatanodeSettings()


def test_listening_nowhere_is_a_fact() -> None:
    """An empty list closes TCP, which differs from a list that is not given."""
    assert _settings("listen_addresses = ''").listen_addresses == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("port = 70000", "line 1: port: expected a port"),
        ("port = 0", "line 1: port: expected a port"),
        ("port = -1", "line 1: port: expected a port"),
        ("port = 018", "line 1: port: expected a whole number"),
        ("port = 15400MB", "line 1: port: expected a whole number"),
        ("port = 0x", "line 1: port: expected a whole number"),
        ("listen_addresses = 'a,,b'", "line 1: listen_addresses: expected addresses"),
        ("replconninfo2 = 'x'", "line 1: replconninfo2: expected localhost="),
        ("ss_enable_dms = maybe", "line 1: ss_enable_dms: expected a boolean"),
        ("ss_enable_dms = on\nss_interconnect_url = 'x'", "line 2: ss_interconnect_url: expected"),
        ("ss_instance_id = 'x'", "line 1: ss_instance_id: expected a whole number"),
    ],
)
def test_an_impossible_value_names_file_and_line(line: str, message: str) -> None:
    """What the server would refuse is an error that an operator can find."""
    with pytest.raises(ParseError, match=f"^/dn/postgresql.conf: {message}"):
        _settings(line)
