"""Files that are refused, and what is said about them."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Optional

import pytest

from exporter.config import Checks, EndpointConfig, load_config, parse_config, parse_signatures
from exporter.config.document import LARGEST_FILE
from exporter.errors import ConfigError


def _problems(text: str, checks: Optional[Checks] = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), "exporter.yml", checks or Checks())
    return caught.value.problems


def test_all_problems_are_told_at_once() -> None:
    """One run names every problem with line, path and what is allowed, in the file's order."""
    text = """\
instalation: {}
endpoints:
  - endpoint: cm_server
    instance_id: "1"
    port: 70000
    adresses: []
  - endpoint: cm_server
    instance_id: 1
    port: 0
    addresses: [10.77.0.1, 10.77.0.300]
cm_query:
  interval: 15
  enabled: 1
"""
    assert (
        "\n".join(_problems(text))
        == """\
line 1: instalation: unknown key; did you mean installation? known keys: installation, endpoints,\
 cm_query, logs
line 5: endpoints[0].port: 70000 is not allowed; allowed: a whole number from 1 to 65535
line 6: endpoints[0].adresses: unknown key; did you mean addresses? known keys: endpoint,\
 instance_id, port, addresses, process
line 7: endpoints[1]: the same as the item on line 3
line 9: endpoints[1].port: 0 is not allowed; allowed: a whole number from 1 to 65535
line 10: endpoints[1].addresses[1]: 10.77.0.300 is not allowed; allowed: an IPv4 or IPv6 address\
 without a zone
line 12: cm_query.interval: 15 is not allowed; allowed: a duration such as 15s or 1m30s, from 1s\
 to 1h
line 13: cm_query.enabled: a whole number is not allowed here; allowed: true or false"""
    )


def test_the_error_names_the_file() -> None:
    """The error's text is one line a problem, each beginning with the file's name."""
    with pytest.raises(ConfigError, match=r"^exporter\.yml: line 1: a: unknown key"):
        parse_config(b"a: 1", "exporter.yml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file is empty; {} stands for all defaults"),
        ("# nothing\n", "line 1: the file is empty; {} stands for all defaults"),
        ("---\n~\n", "line 2: the file holds no key; {} stands for all defaults"),
        ("- a\n", "line 1: a list is not allowed here; allowed: a mapping of keys"),
        ("word", "line 1: text is not allowed here; allowed: a mapping of keys"),
        (
            "logs: {}\nlogs: {}\n",
            "line 2: logs: the key stands twice, first on line 1",
        ),
        ("logs: &a {}\ncm_query: *a\n", "line 2: not YAML: aliases are not allowed"),
        ("a: {}\n---\nb: {}\n", "line 2: not YAML: but found another document"),
        ("? [a]\n: b\n", "line 1: a key must be a word"),
        ("logs:\n  - x\n y: 1\n", "line 3: not YAML: expected <block end>"),
        ("logs: 'x\n\ny", "line 3: not YAML: found unexpected end of stream"),
        ("logs: 'x\n\ny", "a quoted scalar that begins on line 1"),
        ("logs:\n\tenabled: true\n", "line 2: not YAML: found character '\\t' that cannot"),
        ("a: \x07", "line 1: character U+0007 is not allowed"),
        ("x: [::1]", "(an address that begins with a colon needs quotes)"),
    ],
)
def test_what_is_no_mapping_of_keys_is_refused(text: str, problem: str) -> None:
    """Text that is empty, no YAML or not a mapping is refused with the line of the reason."""
    (found,) = _problems(text)
    assert problem in found


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    """The first byte that is not UTF-8 is named with its line."""
    with pytest.raises(ConfigError) as caught:
        parse_config(b"logs: {}\n# caf\xe9\n", "exporter.yml")
    assert caught.value.problems == ("line 2: byte 0xe9 is not UTF-8",)


def test_huge_and_deep_files_are_refused() -> None:
    """Size and depth are bounded before anything is built from the text."""
    assert _problems("#" * (LARGEST_FILE + 1)) == ("line 1: the file is larger than 262144 bytes",)
    assert _problems("a: " + "[" * 1000) == ("line 1: not YAML: nested deeper than 16 levels",)


@pytest.mark.parametrize(
    ("port", "found"),
    [
        ("true", "true or false is not allowed here"),
        ('"15300"', "text is not allowed here"),
        ("15300.0", "a number is not allowed here"),
        ("[15300]", "a list is not allowed here"),
        ("-1", "-1 is not allowed"),
        ("0x3BC4", "0x3BC4 is not allowed"),
        ("04000", "04000 is not allowed"),
        ("4:10", "4:10 is not allowed"),
        ("9" * 5000, "9" * 79 + "… is not allowed"),
        ("!!int abc", "abc is not allowed"),
        ("!mine 1", "a value of type !mine is not allowed here"),
    ],
)
def test_a_port_is_a_decimal_number_only(port: str, found: str) -> None:
    """Nothing but a plain decimal from 1 to 65535 is a port, whatever YAML 1.1 makes of it."""
    text = f'endpoints: [{{endpoint: dss, instance_id: "1", port: {port}}}]'
    allowed = "allowed: a whole number from 1 to 65535"
    assert _problems(text) == (f"line 1: endpoints[0].port: {found}; {allowed}",)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("{}", "line 1: endpoints[0].endpoint: missing"),
        ("{endpoint: dss, port: 1}", "line 1: endpoints[0].instance_id: missing"),
        ("{endpoint: dss, instance_id: 1}", "line 1: endpoints[0].port: missing"),
        ("{endpoint: dss, instance_id: 1, port: }", "line 1: endpoints[0].port: missing"),
        ("{endpoint: CM, port: 1}", "line 1: endpoints[0].endpoint: CM is not allowed;"),
        ("{endpoint: 1, port: 1}", "line 1: endpoints[0].endpoint: a whole number is not allowed"),
        ("{endpoint: web, port: 1}", "endpoints[0].process: missing; the custom endpoint web"),
        ("{endpoint: cm_sever, port: 1}", "(did you mean the endpoint cm_server?)"),
        ("{endpoint: web, port: 1, process: a/b}", "a/b is not allowed; allowed: an absolute"),
        ("{endpoint: dss, instance_id: a b, port: 1}", "instance_id: a b is not allowed;"),
        ("{endpoint: dss, instance_id: 1, port: 1, addresses: a}", "addresses: text is not"),
        ("{endpoint: dss, instance_id: 1, port: 1, addresses: [fe80::1%eth0]}", "without a zone"),
        ("{endpoint: dss, instance_id: 1, port: 1, addresses: [1.1.1.1, 1.1.1.1]}", "the same as"),
        ("{endpoint: dss, instance_id: 1, port: 1, addresses: [~]}", "addresses[0]: ~ is not"),
        ("cm_server", "endpoints[0]: text is not allowed here; allowed: a mapping of keys"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(item: str, problem: str) -> None:
    """Each way to write an endpoint wrongly has its own answer."""
    assert any(problem in found for found in _problems(f"endpoints: [{item}]"))


def test_two_endpoints_of_one_key_are_refused() -> None:
    """The pair of endpoint and instance_id stands once; the message names the first's line."""
    text = """\
endpoints:
  - {endpoint: dss, instance_id: 20001, port: 1}
  - {endpoint: dms, instance_id: 20001, port: 2}
  - {endpoint: dss, instance_id: "20001", port: 3}
"""
    assert _problems(text) == ("line 4: endpoints[2]: the same as the item on line 2",)


def test_an_endpoint_with_another_problem_is_no_duplicate() -> None:
    """What stands in for a refused value never makes a second, false problem."""
    text = "endpoints:\n" + "  - {endpoint: BAD, instance_id: 1, port: 1}\n" * 2
    assert len(_problems(text)) == 2


def test_the_exporters_own_port_is_no_endpoint() -> None:
    """An endpoint on a port that the exporter itself would take is refused."""
    text = 'endpoints: [{endpoint: dss, instance_id: "1", port: 19836}]'
    (problem,) = _problems(text, Checks(listen_ports=frozenset({19836})))
    assert problem == (
        "line 1: endpoints[0].port: 19836 is the exporter's own port;"
        " choose another --web.listen-address"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("installation: {user: root:x}", "installation.user: root:x is not allowed;"),
        ("installation: {user: 1000}", "a whole number is not allowed here; allowed: text (in"),
        ("installation: {gausshome: app}", "installation.gausshome: app is not allowed;"),
        ("installation: {gaushome: /app}", "did you mean gausshome?"),
        ("installation: {node_id: 0}", "installation.node_id: 0 is not allowed;"),
        ("installation: {node_name: on}", "installation.node_name: true or false is not allowed"),
        ('installation: {env_file: "/a\\nb"}', "character U+000A is not allowed"),
        ('installation: {env_file: "/\\uD800"}', "character U+D800 is not allowed"),
        (f"installation: {{env_file: /{'a' * 4095}}}", "at most 4095 bytes"),
        (f"installation: {{env_file: /{'a' * 5000}}}", "5001 characters are not allowed"),
        ("cm_query: {command: []}", "cm_query.command: 0 items are not allowed"),
        ("cm_query: {command: cm_ctl query}", "cm_query.command: text is not allowed here"),
        ("cm_query: {command: [cm_ctl, 3]}", "cm_query.command[1]: a whole number is not"),
        ("cm_query: {command: [bin/cm_ctl]}", "the program's path is relative"),
        ("cm_query: {interval: 2h}", "cm_query.interval: 2h is not allowed;"),
        ("cm_query: {timeout: 1.5}", "cm_query.timeout: a number is not allowed here;"),
        ("cm_query: {timeout: 20s, max_age: 30s}", "max_age: shorter than interval and timeout"),
        ("logs: {sources: [{source: cms, paths: [/a]}]}", "sources[0].source: cms is not allowed"),
        ("logs: {sources: [{source: om, paths: [a]}]}", "sources[0].paths[0]: a is not allowed"),
        ("logs: {sources: [{source: om, paths: []}]}", "paths: 0 items are not allowed;"),
        ("logs: {sources: [{source: om, paths: [/a]}, {source: om, paths: [/b]}]}", "the same as"),
        ("logs: {timezone: Mars/Olympus}", "logs.timezone: Mars/Olympus is no time zone"),
        ("logs: {timezone: ../../etc/passwd}", "is no time zone"),
        ("logs: {timezone: Asia}", "logs.timezone: Asia is no time zone"),
        ("logs: {look_back: 25h}", "logs.look_back: 25h is not allowed;"),
        ("logs: {signatures: [{id: a, sources: [om]}]}", "signatures[0].pattern: missing"),
        ("logs: {signatures: [{id: a, sources: [], pattern: x}]}", "sources: 0 items are not"),
        ("logs: {signatures: [{id: a, sources: [om], pattern: x, severity: page}]}", "page is not"),
    ],
)
def test_values_that_no_key_takes_are_refused(text: str, problem: str) -> None:
    """Each kind of wrong value has an answer that says what is allowed."""
    (found,) = _problems(text)
    assert problem in found


def test_signatures_are_checked_with_what_the_caller_knows() -> None:
    """Taken ids and patterns that the engine refuses are problems of the configuration."""
    text = """\
logs:
  signatures:
    - {id: port_in_use, sources: [om], pattern: x}
    - {id: mine, sources: [om], pattern: "("}
"""
    checks = Checks(
        signature_ids=frozenset({"port_in_use"}),
        pattern_problem=lambda pattern: "missing )" if pattern == "(" else None,
    )
    taken = "port_in_use is the id of a shipped signature; choose another"
    assert _problems(text, checks) == (
        f"line 3: logs.signatures[0].id: {taken}",
        "line 4: logs.signatures[1].pattern: missing )",
    )


def test_a_list_of_signatures_is_a_file_of_its_own() -> None:
    """A file may be nothing but a list of signatures; its paths begin with the index."""
    (found,) = parse_signatures(b"[{id: a, sources: [om], pattern: x}]", "signatures.yml")
    assert (found.id, found.severity) == ("a", "info")
    with pytest.raises(ConfigError, match=r"line 1: \[0\].pattern: missing"):
        parse_signatures(b"[{id: a, sources: [om]}]", "signatures.yml")


def test_a_key_without_a_value_has_its_default() -> None:
    """Nothing after the colon is as good as leaving the key out."""
    text = b"installation:\nendpoints:\nlogs:\n  look_back:\n  sources: ~\n"
    assert parse_config(text, "exporter.yml") == load_config(None)


def test_addresses_left_out_differ_from_the_empty_list() -> None:
    """Left out means that nobody told, the empty list means the wildcard."""
    text = b"""\
endpoints:
  - {endpoint: dss, instance_id: a, port: 1}
  - {endpoint: dss, instance_id: b, port: 1, addresses: []}
  - {endpoint: dss, instance_id: 010, port: 1, addresses: [1:2:3:4:5:6:7:8, "::1"]}
"""
    assert parse_config(text, "exporter.yml").endpoints == (
        EndpointConfig("dss", "a", 1, None),
        EndpointConfig("dss", "b", 1, ()),
        EndpointConfig("dss", "010", 1, (ip_address("1:2:3:4:5:6:7:8"), ip_address("::1"))),
    )


def _unreadable(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    return problem


def test_a_path_that_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    """Nothing there, a directory, a pipe without a writer: an answer at once, never a wait."""
    os.mkfifo(tmp_path / "pipe")
    assert _unreadable(tmp_path / "none") == "cannot be read: No such file or directory"
    assert _unreadable(tmp_path) == "cannot be read: Is a directory"
    assert _unreadable(tmp_path / "pipe") == "not a regular file"
    assert _unreadable(Path("/dev/zero")) == "not a regular file"
    told = _unreadable(Path("a\0b"))
    assert told.startswith("cannot be read: ")
    assert "embedded null" in told  # Python's own words, which differ between its versions


def test_a_file_is_read_with_a_byte_order_mark_and_foreign_line_ends(tmp_path: Path) -> None:
    """What Windows' editors leave in a file changes nothing."""
    path = tmp_path / "exporter.yml"
    path.write_bytes(b"\xef\xbb\xbflogs:\r\n  enabled: no\r\n")
    assert load_config(path).logs.enabled is False
