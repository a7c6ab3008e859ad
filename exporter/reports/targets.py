"""Scrape targets for all nodes of the cluster, from the static config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Optional

from exporter.model.static_config import StaticConfig, StaticNode

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
