"""replconninfo and the lists of instances."""

from __future__ import annotations

import pytest

from exporter.errors import ParseError
from exporter.installation.facts import ListedInstance, ReplicationChannel
from exporter.installation.postgresql_conf import parse_instances, parse_replconninfo

OM = (
    "localhost=10.77.0.1 localport=15401 localheartbeatport=15405 localservice=15404"
    " remotehost=10.77.0.2 remoteport=15401 remoteheartbeatport=15405 remoteservice=15404"
)


def test_a_channel_as_om_writes_it_is_read() -> None:
    """Hosts, ports and the heartbeat port come from the words of the value."""
    assert parse_replconninfo(OM) == (ReplicationChannel("10.77.0.1", 15401, 15405),)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("", ()),
        ("  ", ()),
        ("localhost = ::1 localport = 5", (ReplicationChannel("::1", 5),)),
        ("localhost ::1 localport  5 ", (ReplicationChannel("::1", 5),)),
        ("x localhost == a localport=5", (ReplicationChannel("a", 5),)),
        ("localhost=a localport=5 localhost=b localport=6", (ReplicationChannel("a", 5),)),
        ("localhost=* localport=5 iscascade=true", (ReplicationChannel("*", 5),)),
        ("localport=5 localhost=a localheartbeatport=0", (ReplicationChannel("a", 5),)),
        (
            "localhost=a localport=5 remotehost=b remoteport=6,localhost=c localport=7",
            (ReplicationChannel("a", 5), ReplicationChannel("c", 7)),
        ),
    ],
)
def test_channels_are_read(text: str, channels: tuple[ReplicationChannel, ...]) -> None:
    """Blanks for '=' or around it, any order and several channels in one value are understood."""
    assert parse_replconninfo(text) == channels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("localhost=a", "replconninfo3: expected localhost=… localport=…"),
        ("remotehost=a remoteport=1", "replconninfo3: expected localhost=… localport=…"),
        ("localhost=a localport=0", "replconninfo3: localport: expected a port"),
        ("localhost=a localport=65536", "replconninfo3: localport: expected a port .* '65536'"),
        ("localhost=a localport=1 remoteport=x", "replconninfo3: remoteport: expected a port"),
        ("x" * 5000, "replconninfo3: expected at most 4096 characters"),
    ],
)
def test_a_malformed_channel_is_an_error(text: str, message: str) -> None:
    """A channel that says not where it listens is an error that names the setting."""
    with pytest.raises(ParseError, match=message):
        parse_replconninfo(text, "replconninfo3")


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (
            "0:192.168.10.11:12730,1:192.168.10.12:12730",
            ((0, "192.168.10.11", 12730), (1, "192.168.10.12", 12730)),
        ),
        ("0:127.0.0.1:1611", ((0, "127.0.0.1", 1611),)),
        ("0:2407:c080::11:1611", ((0, "2407:c080::11", 1611),)),
        ("0:[2407:c080::11]:1611,", ((0, "2407:c080::11", 1611),)),
        (" 1 : host1 : 1611 ", ((1, "host1", 1611),)),
    ],
)
def test_lists_of_instances_are_read(text: str, entries: tuple[ListedInstance, ...]) -> None:
    """Number, address and port are told apart, in IPv6 with and without brackets."""
    assert parse_instances(text, "ss_interconnect_url") == entries


@pytest.mark.parametrize(
    "text",
    [
        *["", ",", "0", "0:1611", "0::1611", "x:a:1", "0:a:0", "0:a:70000", "0:a:1;1:b:2", "0:a:"],
        *[",".join(["0:a:1"] * 65), "0:" + "a" * 5000 + ":1"],
    ],
)
def test_a_malformed_list_is_an_error(text: str) -> None:
    """Whatever is not number:address:port is an error that names the setting."""
    with pytest.raises(ParseError, match=r"^ss_interconnect_url: expected"):
        parse_instances(text, "ss_interconnect_url")
