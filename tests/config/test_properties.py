"""What holds for every configuration and for every byte that is none."""

from __future__ import annotations

import re
from typing import Optional

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config import Config, parse_config
from exporter.config.document import count_lines
from exporter.errors import ConfigError
from tests.support.config_text import as_yaml, configs

_LINE = re.compile(r"line (\d+): ")


def _read(data: bytes) -> Optional[Config]:
    """Read any bytes; a refusal must be whole: lines inside the file, each problem one line."""
    problems: tuple[str, ...] = ()
    try:
        return parse_config(data, "made")
    except ConfigError as error:
        problems = error.problems
    assert problems
    for problem in problems:
        match = _LINE.match(problem)
        assert match, problem
        assert 1 <= int(match.group(1)) <= count_lines(data)
        assert problem.isprintable()
    return None


@given(configs)
def test_a_written_configuration_is_read_back(config: Config) -> None:
    """Any valid configuration, written and read, is the same again."""
    assert parse_config(as_yaml(config), "made") == config


@given(st.binary(max_size=200))
@example(b'"\\UFFFFFFFF"')
@example(b'installation: {user: "\\uD800"}')
@example(b"%YAML 1." + b"9" * 5000 + b"\n---\na: 1")
@example(b"[" * 5000)
@example(b"&a [*a]")
@example(b"a: \xef\xbb\xbf1")
@example(b"a: \r\r\r*b")
@example(b"a: \xe2\x80\xa8 b: [")
def test_arbitrary_bytes_give_a_config_error_or_a_configuration(data: bytes) -> None:
    """Bytes never raise anything but ConfigError, whose lines lie inside the file."""
    _read(data)


_SCALARS = r"""
1 0 70000 true null 15s 1:30 ~ 'x' [] {} &a *a !!x cm_server 2001-01-01 1.5 /a \ << 0x1F "\0" |
' " [ } - 1.1.1.1 ::1 [::1] %
""".split()  # noqa: SIM905  # a list of them has a line each
_KEYS = """installation endpoints cm_query logs user port endpoint instance_id signatures sources
paths command addresses interval pattern id""".split()  # noqa: SIM905  # see above
_scalars = st.sampled_from(_SCALARS)
_keys = st.builds(str.__add__, st.sampled_from(["", "- "]), st.sampled_from(_KEYS))
_lines = st.builds(
    "{}{}: {}".format, st.sampled_from(["", "  ", "    ", "      "]), _keys, _scalars
)


@given(st.lists(_lines, max_size=12).map("\n".join))
def test_text_that_is_nearly_a_configuration_is_refused_in_whole(text: str) -> None:
    """Lines that look right in the wrong places give problems with lines, never a crash."""
    _read(text.encode())


@given(configs, st.data())
def test_one_wrong_byte_is_noticed_or_changes_the_configuration(
    config: Config, data: st.DataObject
) -> None:
    """A byte changed anywhere never crashes the reader."""
    text = bytearray(as_yaml(config))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    _read(bytes(text))
