"""The facts behind a finding, each as somebody else can look it up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.diagnosis.facts import Evidence, Sample, Text
from exporter.diagnosis.node import Holder, Key, Node
from exporter.diagnosis.words import moment, phrase, quoted


def line(sample: Sample) -> str:
    """Write a sample as it stands on the node's page of metrics."""
    labels = ",".join(f"{name}={quoted(value)}" for name, value in sorted(sample.labels.items()))
    value = f"{sample.value:.3f}".rstrip("0").rstrip(".")
    return f"{sample.name}{{{labels}}} {value}" if labels else f"{sample.name} {value}"


def metrics(node: Node, samples: Iterable[Sample]) -> Iterator[Evidence]:
    """Show samples of a node's page."""
    for sample in samples:
        text = line(sample)
        yield Evidence("metric", node.node_name, Text(text, text))


def of_key(node: Node, name: str, key: Key) -> Iterator[Evidence]:
    """Show the samples of a metric about one endpoint, but for those of several that are 0."""
    some = tuple(node.page.all(name, **key._asdict()))
    return metrics(node, some if len(some) == 1 else (each for each in some if each.value))


def running(node: Node, key: Key) -> Iterator[Evidence]:
    """Show whether the processes of the endpoint's instance run."""
    if key.instance_id:
        name = "opengauss_process_running"
        yield from metrics(node, node.page.all(name, instance_id=key.instance_id))


def sockets(holders: Iterable[tuple[Node, Holder]]) -> Iterator[Evidence]:
    """Show whose sockets are in the way."""
    for node, holder in holders:
        address = holder.who.address
        address = f"[{address}]" if ":" in address else address
        socket = f"{address}:{holder.key.port}"
        who = f"pid {holder.pid} {quoted(holder.who.process)}" if holder.pid else "pid 0"
        yield Evidence(
            "socket",
            node.node_name,
            phrase("evidence_socket", socket=socket, relation=holder.who.relation, who=who),
        )


def port_reports(node: Node, port: str) -> Iterator[Evidence]:
    """Show which log records report the port as taken, and when the last one did."""
    for sample in node.page.all("opengauss_log_port_report_timestamp_seconds", port=port):
        if sample.value > 0:
            values = {"signature": sample.labels["signature"], "port": port}
            text = phrase("evidence_report", time=moment(sample.value), **values)
            yield Evidence("log", node.node_name, text)
