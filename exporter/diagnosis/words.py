"""How texts are made: phrases in both languages, and values as Prometheus' templates write them.

With them the evidence behind a finding, each piece as somebody else can look it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Callable, Union

from exporter.diagnosis.cluster import Cluster, Holder, Key, Node
from exporter.diagnosis.findings import Evidence, Text
from exporter.diagnosis.page import Sample
from exporter.diagnosis.phrases import phrases

Say = Callable[..., str]
"""Takes a phrase's key and its values; returns the words in one language."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def _speaker(language: str) -> Say:
    def say(key: str, /, **values: Union[str, int]) -> str:
        return phrases()[key][language].format(**values)

    return say


LANGUAGES: tuple[Say, Say] = (_speaker("en"), _speaker("zh"))


def in_both(write: Callable[[Say], str]) -> Text:
    """Write one text in each language."""
    english, chinese = LANGUAGES
    return Text(write(english), write(chinese))


def phrase(key: str, /, **values: Union[str, int]) -> Text:
    """Say one phrase in each language."""
    return in_both(lambda say: say(key, **values))


def phrase_at(cluster: Cluster, node_name: str, key: str, /, **values: Union[str, int]) -> Text:
    """Say one phrase that names the place first; without ``node_name`` that is the cluster."""
    return in_both(lambda say: say(key, place=place(say, cluster.name, node_name), **values))


def place(say: Say, cluster: str, node: str = "") -> str:
    """Name the node and its cluster, or only the cluster where no node is given."""
    kind = "on_node" if node else "in_cluster"
    return say(f"{kind}_of", cluster=cluster, node=node) if cluster else say(kind, node=node)


def quoted(text: str) -> str:
    """Quote untrusted text as ``%q`` does: on one line, with nothing hidden in it."""
    return '"' + "".join(map(_quoted_character, text)) + '"'


def _quoted_character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char == " " or char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:  # noqa: PLR2004  # the last of ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  # 16 bits


def moment(seconds: float) -> str:
    """Write a time since the epoch as ``humanizeTimestamp`` does: to the millisecond, in UTC."""
    milliseconds = int(seconds * 1e9) // 1_000_000
    when = _EPOCH + timedelta(milliseconds=milliseconds)
    fraction = f".{milliseconds % 1000:03d}".rstrip("0").rstrip(".")
    return f"{when:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def start_of_process(seconds: int) -> str:
    """Write a time since the epoch as ``ps -o lstart`` does in UTC."""
    return (_EPOCH + timedelta(seconds=seconds)).ctime()


def metric_evidence(node: Node, samples: Iterable[Sample]) -> Iterator[Evidence]:
    """Show samples as they stand on the node's page of metrics."""
    for sample in samples:
        text = _line(sample)
        yield Evidence("metric", node.node_name, Text(text, text))


def _line(sample: Sample) -> str:
    labels = ",".join(f"{name}={quoted(value)}" for name, value in sorted(sample.labels.items()))
    value = f"{sample.value:.3f}".rstrip("0").rstrip(".")
    return f"{sample.name}{{{labels}}} {value}" if labels else f"{sample.name} {value}"


def endpoint_evidence(node: Node, metric: str, key: Key) -> Iterator[Evidence]:
    """Show a metric's samples about one endpoint; of several, those that are 0 are left out."""
    samples = tuple(node.page.all(metric, **key._asdict()))
    several = len(samples) != 1
    return metric_evidence(node, (s for s in samples if s.value or not several))


def socket_evidence(holders: Iterable[tuple[Node, Holder]]) -> Iterator[Evidence]:
    """Show whose sockets are in the way."""
    for node, holder in holders:
        address = holder.who.address
        address = f"[{address}]" if ":" in address else address
        values = {
            "socket": f"{address}:{holder.key.port}",
            "relation": holder.who.relation,
            "who": f"pid {holder.pid} {quoted(holder.who.process)}" if holder.pid else "pid 0",
        }
        yield Evidence("socket", node.node_name, phrase("evidence_socket", **values))


def report_evidence(node: Node, port: str) -> Iterator[Evidence]:
    """Show which log records report the port as taken, and when the last one did."""
    for sample in node.page.all("opengauss_log_port_report_timestamp_seconds", port=port):
        if sample.value > 0:
            values = {"signature": sample.labels["signature"], "port": port}
            text = phrase("evidence_report", time=moment(sample.value), **values)
            yield Evidence("log", node.node_name, text)
