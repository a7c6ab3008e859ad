"""Where what is allowed ends: the last value that is taken, and the first that is not."""

from __future__ import annotations

import pytest

from exporter.config import parse_config
from exporter.config.document import LARGEST_FILE, shown
from exporter.errors import ConfigError


def _accepts(text: str) -> bool:
    try:
        parse_config(text.encode(), "exporter.yml")
    except ConfigError:
        return False
    return True


def _list(count: int, item: str) -> str:
    return ", ".join(item.format(number) for number in range(1, count + 1))


_ENDPOINT = "endpoints: [{{endpoint: web, process: x, port: {}}}]"
_ADDRESSES = "endpoints: [{{endpoint: web, process: x, port: 1, addresses: [{}]}}]"
_SIGNATURE = "{{id: a{}, sources: [om], pattern: x}}"


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (_ENDPOINT.format(1), _ENDPOINT.format(0)),
        (_ENDPOINT.format(65535), _ENDPOINT.format(65536)),
        (_ADDRESSES.format(_list(16, "1.1.1.{}")), _ADDRESSES.format(_list(17, "1.1.1.{}"))),
        ("installation: {node_id: 1}", "installation: {node_id: 0}"),
        ("installation: {node_id: 4294967295}", "installation: {node_id: 4294967296}"),
        (f"installation: {{node_name: {'a' * 64}}}", f"installation: {{node_name: {'a' * 65}}}"),
        (f"installation: {{user: {'a' * 31}$}}", f"installation: {{user: {'a' * 32}$}}"),
        (f"installation: {{gausslog: /{'a' * 4094}}}",
         f"installation: {{gausslog: /{'a' * 4095}}}"),
        (f"logs: {{signatures: [{{id: a, sources: [om], pattern: {'a' * 4096}}}]}}",
         f"logs: {{signatures: [{{id: a, sources: [om], pattern: {'a' * 4097}}}]}}"),
        ("cm_query: {interval: 1s}", "cm_query: {interval: 999ms}"),
        ("cm_query: {interval: 1h}", "cm_query: {interval: 1h1ms}"),
        ("cm_query: {timeout: 1s}", "cm_query: {timeout: 999ms}"),
        ("cm_query: {timeout: 5m}", "cm_query: {timeout: 5m1ms}"),
        ("cm_query: {max_age: 15s}", "cm_query: {max_age: 14s999ms}"),
        ("cm_query: {interval: 1s, max_age: 1s}", "cm_query: {interval: 1s, max_age: 999ms}"),
        ("cm_query: {timeout: 5s, max_age: 20s}", "cm_query: {timeout: 5s, max_age: 19s}"),
        ("cm_query: {max_age: 1d}", "cm_query: {max_age: 1d1ms}"),
        ("logs: {look_back: 0}", "logs: {look_back: -1s}"),
        ("logs: {look_back: 1d}", "logs: {look_back: 1d1ms}"),
        (f"cm_query: {{command: [{'a, ' * 64}]}}", f"cm_query: {{command: [{'a, ' * 65}]}}"),
        (f"logs: {{sources: [{{source: om, paths: [{_list(64, '/{}')}]}}]}}",
         f"logs: {{sources: [{{source: om, paths: [{_list(65, '/{}')}]}}]}}"),
        (f"logs: {{signatures: [{_list(500, _SIGNATURE)}]}}",
         f"logs: {{signatures: [{_list(501, _SIGNATURE)}]}}"),
        (f"endpoints: [{_list(256, '{{endpoint: a{}, process: x, port: 1}}')}]",
         f"endpoints: [{_list(257, '{{endpoint: a{}, process: x, port: 1}}')}]"),
        ("{}".ljust(LARGEST_FILE), "{}".ljust(LARGEST_FILE + 1)),
    ],
    ids=lambda text: str(text)[:40].strip(),
)  # fmt: skip
def test_the_last_allowed_value_is_taken_and_the_next_is_not(inside: str, outside: str) -> None:
    """Each bound lies exactly where the messages and the page say."""
    assert _accepts(inside)
    assert not _accepts(outside)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"#\n#\n", "line 1: the file is empty; {} stands for all defaults"),
        (b"#" * LARGEST_FILE + b"\n#\n", "line 1: the file is larger than 262144 bytes"),
        (b"logs:\n# \xff\n#\n", "line 2: byte 0xff is not UTF-8"),
        (b"#\n# \x07\n#\n", "line 2: character U+0007 is not allowed"),
        (b'#\n- "\\UFFFFFFFF"\n#\n', "line 1: not YAML: a number in an escape or a directive"),
        (b"#\n- *a\n#\n", "line 2: not YAML: aliases are not allowed"),
        (b"#\nlogs:\n  ? [a]\n  : b\n#\n", "line 3: logs: a key must be a word"),
        (b"a: " + b"[" * 15 + b"]" * 15 + b"\n", "line 1: a: unknown key"),
        (b"a: " + b"[" * 16 + b"]" * 16 + b"\n", "line 1: not YAML: nested deeper than 16 levels"),
        (b"#\n[]\n#\n", "line 2: a list is not allowed here"),
        (b"#\nlogs:\n  sources:\n    - 1\n#\n", "line 4: logs.sources[0]: a whole number"),
        (b"#\nendpoints:\n  -\n    port: 1\n#\n", "line 4: endpoints[0].endpoint: missing"),
        (b"#\n'x\n#\n", "line 3: not YAML: found unexpected end of stream"),
    ],
)
def test_problems_name_the_line_that_an_editor_shows(data: bytes, problem: str) -> None:
    """Lines count from 1, whichever part of the reader noticed; the end lies on the last line."""
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "exporter.yml")
    assert caught.value.problems[0].startswith(problem)


def test_signatures_of_one_id_are_refused() -> None:
    """An id stands once."""
    item = "{id: a, sources: [om], pattern: x}"
    assert not _accepts(f"logs: {{signatures: [{item}, {item}]}}")


def test_text_is_shown_whole_up_to_eighty_characters() -> None:
    """Longer text is cut and says so; a line of a message never breaks."""
    assert shown("a" * 80) == "a" * 80
    assert shown("a" * 81) == "a" * 79 + "…"
    assert shown("a\n\u202eb") == "a\\n\\u202eb"
