"""Scrape targets for all nodes of the cluster, from the static config."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Optional

from exporter.commands.output import write_out
from exporter.config import Config
from exporter.errors import UsageError
from exporter.installation.static_config import StaticConfig, StaticNode
from exporter.options import Flag, Options, Values, one_of
from exporter.parts import look_for_installation

JOB = "opengauss-cm"
"""The job that the shipped rules and dashboards select."""


def targets(static: StaticConfig, port: int) -> tuple[str, ...]:
    """List ``address:port`` of every node; nodes without any address are left out."""
    addresses = (address_of(node) for node in static.nodes)
    return tuple(f"{address}:{port}" for address in addresses if address)


def address_of(node: StaticNode) -> Optional[str]:
    """Choose the address by which the nodes know each other: backIp, else any that there is."""
    server = node.cm_server.addresses if node.cm_server else ()
    agent = node.cm_agent.addresses
    for text in (*node.back_addresses, *node.ssh_addresses, *server, *agent):
        try:
            address = ip_address(text.split("%", 1)[0])
        except ValueError:
            continue
        return f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    return None


def file_sd(static: StaticConfig, port: int, cluster: str) -> str:
    """Give the targets as Prometheus reads them from a file (file_sd_configs)."""
    group = {"targets": list(targets(static, port)), "labels": _labels(cluster)}
    return json.dumps([group], indent=2, ensure_ascii=False) + "\n"


def scrape_config(static: StaticConfig, port: int, cluster: str) -> str:
    """Give a scrape configuration for prometheus.yml; strings are quoted as in JSON."""
    lines = ["scrape_configs:", f"  - job_name: {JOB}", "    static_configs:", "      - targets:"]
    lines += [f"          - {_quoted(target)}" for target in targets(static, port)]
    labels = [f"          {name}: {_quoted(value)}" for name, value in _labels(cluster).items()]
    lines += ["        labels:", *labels] if labels else []
    return "\n".join(lines) + "\n"


def _labels(cluster: str) -> Mapping[str, str]:
    """Give the one label that the rules need; any other is a metric's own."""
    return {"cluster": cluster} if cluster else {}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_MAX_PORT = 65535


def _port(text: str) -> int:
    """Read a TCP port; raises ValueError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_PORT):
        raise ValueError(f"{text!r} is not a port from 1 to {_MAX_PORT}")
    return int(text)


EXPORTER_PORT_FLAG = Flag(
    "exporter-port", "The exporters' port; without it this one's own.", "PORT", _port
)


def exporter_port(options: Options, values: Values) -> int:
    """Return the port at which the cluster's exporters answer; raises UsageError."""
    port: int = values["exporter-port"] or min(options.listen_ports, default=0)
    if not port:
        raise UsageError("the exporters' port is the kernel's choice; give --exporter-port")
    return port


FLAGS = (
    Flag(
        "format",
        "file_sd: a file for file_sd_configs; scrape-config: a part of prometheus.yml.",
        "FORMAT",
        one_of("file_sd", "scrape-config"),
        "file_sd",
    ),
    Flag("cluster", "The cluster's name; without it GS_CLUSTER_NAME.", "NAME"),
    EXPORTER_PORT_FLAG,
)


def run(options: Options, config: Config, values: Values) -> int:
    """Write the scrape targets of all nodes; 1 without a static config to take them from."""
    port = exporter_port(options, values)
    installation, _ = look_for_installation(options, config)
    if installation.static is None:
        details = "\n".join(finding.detail for finding in installation.problems)
        sys.stderr.write(f"no cluster_static_config could be read\n{details}\n")
        return 1
    cluster = values["cluster"] or installation.cluster_name
    if not cluster:
        sys.stderr.write("the cluster's name is not known: give it with --cluster\n")
    as_config = values["format"] == "scrape-config"
    write = scrape_config if as_config else file_sd
    text = write(installation.static, port, cluster)
    write_out(text.encode("utf-8", "replace"), sys.stdout.buffer)
    return os.EX_OK
