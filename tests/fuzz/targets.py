"""What is fuzzed: everything that takes bytes from outside, with real inputs to begin from.

A target returns, or raises one of the errors that it declares. Anything else is a crash.
"""

from __future__ import annotations

import functools
import json
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path
from typing import Callable

from exporter.cluster import cm_ctl_log
from exporter.cluster import query as cm_ctl_query
from exporter.commands.diagnose import PAGE_SHAPES
from exporter.config.loader import parse_config, parse_signatures
from exporter.config.schema import Signature
from exporter.config.web import parse_web_config
from exporter.diagnosis.page import parse_page
from exporter.errors import ConfigError, ParseError
from exporter.host.cgroup import cgroup2_mounts, placement_of_process
from exporter.host.netlink import split_messages
from exporter.host.network import (
    parse_address,
    parse_fib_trie,
    parse_if_inet6,
    parse_port_list,
    parse_port_range,
)
from exporter.host.process_parser import (
    data_directory,
    is_fenced_master,
    maps_all_users,
    own_pid,
    parse_effective_capabilities,
    parse_stat,
)
from exporter.host.users import find_user
from exporter.installation.cm_resource import parse_cm_resource
from exporter.installation.postgresql_conf import (
    parse_datanode_settings,
    parse_instances,
    parse_postgresql_conf,
    parse_replconninfo,
)
from exporter.installation.static_config_parser import parse_static_config
from exporter.installation.text_files import (
    parse_cm_agent_conf,
    parse_cm_server_conf,
    parse_crontab,
    parse_dss_inst,
    parse_environment,
    parse_hosts,
    parse_pid_file,
)
from exporter.logs.evidence import LogEvidence
from exporter.logs.matcher import LogMatcher
from exporter.logs.patterns import LineFinder, pattern_problem
from exporter.logs.records import grammars_of
from exporter.parts import shipped_signatures
from exporter.ports.proc_net import parse_sockets
from exporter.ports.sock_diag import parse_socket
from exporter.web.gate import basic_credentials
from exporter.web.messages import accepts_gzip, choose_format, scrape_budget

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
RECORDED = SAMPLES / "cm_cluster"
PROC = Path("/proc")
_MOST_CHECKSUMS = 12
_CHECKSUM = re.compile(r"offset (0x[0-9a-f]+).* expected (0x[0-9a-f]{8}), found 0x[0-9a-f]{8}")
_PORTS = frozenset(range(1, 65536, 7))


@dataclass(frozen=True)
class Target:
    """One parser: its inputs to begin from, what it does, and what it may raise."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    run: Callable[[bytes], object]
    declared: tuple[type[Exception], ...] = (ParseError,)


def files(top: Path, pattern: str) -> Callable[[], list[bytes]]:
    """Read samples, at most forty."""
    return lambda: [path.read_bytes() for path in sorted(top.rglob(pattern))[:40] if path.is_file()]


def given(*seeds: bytes) -> Callable[[], list[bytes]]:
    """Begin from these."""
    return lambda: list(seeds)


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Give a parser of text what a file's reader would."""
    return lambda data: parse(data.decode("utf-8", "replace"))


def command_line(parse: Callable[[list[bytes]], object]) -> Callable[[bytes], object]:
    """Give a parser of a command line its words."""
    return lambda data: parse(data.split(b"\0"))


def with_right_checksums(data: bytes) -> object:
    """Let damage get past the checksums, as a wrong writer's would: put in what is expected."""
    for _ in range(_MOST_CHECKSUMS):
        problem = _problem(data)
        found = _CHECKSUM.search(problem)
        if found is None:
            break
        offset, expected = int(found[1], 16), int(found[2], 16)
        data = data[:offset] + expected.to_bytes(4, "little") + data[offset + 4 :]
    return parse_static_config(data)


def _problem(data: bytes) -> str:
    try:
        parse_static_config(data)
    except ParseError as error:
        return str(error)
    return ""


def netlink(data: bytes) -> None:
    """Read a dump message by message, as sock_diag's and rtnetlink's answers."""
    for message in split_messages(data):
        for parse in (parse_socket, parse_address):
            with suppress(ParseError):
                parse(data[message.start : message.end])


def dump(family: int) -> bytes:
    """Write one inet_diag answer with two attributes."""
    body = struct.pack("=BBBB", family, 10, 0, 0) + struct.pack(">HH", 15300, 0) + bytes(48)
    body += struct.pack("=IIIII", 0, 0, 0, 1000, 4711)
    body += struct.pack("=HHB3x", 5, 11, 1) + struct.pack("=HHQ", 12, 21, 77)
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body


@functools.lru_cache(maxsize=1)
def _shipped() -> tuple[Signature, ...]:
    return parse_signatures(shipped_signatures(), "signatures.yml")


@functools.lru_cache(maxsize=1)
def _matcher() -> LogMatcher:
    signatures = [each for each in _shipped() if "cm_agent" in each.sources]
    return LogMatcher(signatures, grammars_of("cm_agent"))


def log(data: bytes) -> None:
    """Scan a chunk, then what it left over."""
    scan = _matcher().scan(data)
    _matcher().scan(data[scan.consumed :], data[: scan.consumed], final=True)


def pattern(words: str) -> None:
    """Search for a pattern of a user's, if it is usable."""
    if pattern_problem(words) is None:
        LineFinder([Signature("any", (), words)]).find(b"port:1 in use\n", 14)


def headers(data: bytes) -> None:
    """Read a client's headers."""
    value = data.decode("latin-1")
    for read in (basic_credentials, choose_format, accepts_gzip, scrape_budget):
        read(value)


def port_ranges(words: str) -> None:
    """Read both of the kernel's lists of ports."""
    with suppress(ParseError):
        parse_port_range(words)
    parse_port_list(words)


def state(data: bytes) -> None:
    """Restore what a state file holds."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return  # the state file's reader refuses it
    if isinstance(found, dict):
        evidence().restore(found)


def evidence() -> LogEvidence:
    """Make what the logs' evidence is before the first record."""
    return LogEvidence(_shipped(), lambda: timezone.utc)


def of_proc(*names: str) -> Callable[[], list[bytes]]:
    """Begin from this process's and this host's own."""
    return lambda: [(PROC / name).read_bytes() for name in names]


def sample(words: str) -> Callable[[], list[bytes]]:
    """Begin from one text."""
    return given(words.encode())


CONFIG = ROOT / "config"
STATIC = files(SAMPLES / "cluster_static_config", "*.cluster_static_config")
POSTGRESQL_CONF = "port = 15400\nlisten_addresses = 'a,10.0.0.1'\nreplconninfo1 = 'localhost=::1'\n"
RESOURCES = (
    '{"resources":[{"name":"dss","resources_type":"APP","instances":'
    '[{"node_id":1,"res_instance_id":20001,"res_args":"/opt/dss"}]}]}'
)
CHANNEL = "localhost=10.0.0.1 localport=15401 localheartbeatport=15405 remotehost=10.0.0.2"
INSTANCES = "INST_ID=0\nDSS_NODES_LIST=0:10.0.0.1:1611,1:[fe80::1]:1611\n"
CRONTAB = "* * * * * source ~/.bashrc;nohup /opt/app/bin/om_monitor -L /v &\n"
PID_FILE = "94\n/opt/data/dn\n1795349601\n15400\n/tmp\n10.0.0.1\n  0\n"
PATTERN = r"port:(?P<port>\d+) in [^\]]{2,9}$"
ACCEPTS = (b"text/plain;q=0.5,*/*;q=0.1", b"Basic YTpi", b"gzip;q=1", b"10.5")

FROM_THE_CLUSTER = (
    Target("cm_ctl query", files(SAMPLES / "cm_ctl_query", "*.stdout"), text(cm_ctl_query.parse)),
    Target("cm_ctl's refusals", files(RECORDED, "*.txt"), text(cm_ctl_query.find_problem)),
    Target("cm_ctl's log", files(RECORDED, "cm_ctl*.log"), text(cm_ctl_log.parse)),
    Target("static config", STATIC, parse_static_config),
    Target("static config, checksums right", STATIC, with_right_checksums),
    Target("log records", files(RECORDED, "cm_agent*.log"), log),
    Target(
        "postgresql.conf",
        sample(POSTGRESQL_CONF),
        text(lambda words: parse_datanode_settings(parse_postgresql_conf(words))),
    ),
    Target("cm_agent.conf", files(RECORDED, "cm_agent.conf"), text(parse_cm_agent_conf)),
    Target("cm_server.conf", files(RECORDED, "cm_server.conf"), text(parse_cm_server_conf)),
    Target("dss_inst.ini", sample(INSTANCES), text(parse_dss_inst)),
    Target("cm_resource.json", sample(RESOURCES), text(parse_cm_resource)),
    Target("replconninfo", sample(CHANNEL), text(parse_replconninfo)),
    Target(
        "instance list",
        sample("0:10.0.0.1:1611,1:10.0.0.2:1611"),
        text(lambda words: parse_instances(words, "f")),
    ),
    Target("crontab", sample(CRONTAB), text(parse_crontab)),
    Target("pid file", sample(PID_FILE), text(parse_pid_file)),
)
FROM_THE_HOST = (
    Target("hosts", of_proc("../etc/hosts"), text(parse_hosts)),
    Target("passwd", of_proc("../etc/passwd"), text(lambda table: find_user(table, "omm"))),
    Target("netlink dump", given(dump(2), dump(10), dump(2) + dump(10)), netlink),
    Target(
        "/proc/net/tcp",
        of_proc("net/tcp", "net/tcp6"),
        lambda data: parse_sockets(data, _PORTS),
    ),
    Target("/proc/net/fib_trie", of_proc("net/fib_trie"), text(parse_fib_trie)),
    Target(
        "/proc/net/if_inet6",
        sample("00000000000000000000000000000001 01 80 10 80       lo\n"),
        text(parse_if_inet6),
    ),
    Target("environment", of_proc("self/environ"), parse_environment),
    Target("/proc/PID/stat", of_proc("self/stat"), parse_stat),
    Target("/proc/PID/status", of_proc("self/status"), parse_effective_capabilities),
    Target("/proc/PID/status, NSpid", of_proc("self/status"), own_pid),
    Target(
        "/proc/PID/cmdline",
        sample("gaussdb\0-D\0/opt/data\0-M\0primary\0"),
        command_line(data_directory),
    ),
    Target(
        "/proc/PID/cmdline, helper",
        given(b"gaussdb fenced UDF master process\0", b"gaussdb\0--fenced\0-D\0/opt/data\0"),
        command_line(is_fenced_master),
    ),
    Target("/proc/PID/uid_map", of_proc("self/uid_map"), maps_all_users),
    Target("/proc/PID/cgroup", of_proc("self/cgroup"), placement_of_process),
    Target("/proc/PID/mountinfo", of_proc("self/mountinfo"), cgroup2_mounts),
    Target("port ranges", given(b"32768\t60999\n", b"15300-15302,15400\n"), text(port_ranges)),
)
FROM_OPERATORS = (
    Target(
        "configuration",
        files(CONFIG, "exporter.yml"),
        lambda data: parse_config(data, "f"),
        (ConfigError,),
    ),
    Target(
        "web configuration",
        files(CONFIG, "web-config.yml"),
        lambda data: parse_web_config(data, Path("/w.yml")),
        (ConfigError,),
    ),
    Target(
        "signatures",
        files(CONFIG, "signatures.yml"),
        lambda data: parse_signatures(data, "f"),
        (ConfigError,),
    ),
    Target(
        "signature patterns",
        sample(r"port:(?P<port>\d+) in [^\]]{2,9}$"),
        text(pattern),
        (),
    ),
    Target("state", lambda: [json.dumps(evidence().dump()).encode()], state),
)
FROM_CLIENTS = (
    Target("HTTP header values", given(*ACCEPTS), headers, ()),
    Target(
        "other nodes' pages",
        files(ROOT / "tests" / "golden", "metrics.txt"),
        text(lambda page: parse_page(page, PAGE_SHAPES)),
    ),
)
TARGETS = (*FROM_THE_CLUSTER, *FROM_THE_HOST, *FROM_OPERATORS, *FROM_CLIENTS)
