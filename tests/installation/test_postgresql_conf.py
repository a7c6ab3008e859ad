"""postgresql.conf, held against the server's own grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.installation.postgresql_conf import (
    Assignment,
    number,
    parse_postgresql_conf,
    settings_of,
    truth,
)

REAL = """\
# -----------------------------
# openGauss configuration file
#------------------------------------------------------------------------------
listen_addresses = 'localhost,10.77.0.1'\t\t# what IP address(es) to listen on;
port = 15400\t\t\t\t# (change requires restart)
max_connections = 5000\t\t\t# (change requires restart)
#unix_socket_group = ''
unix_socket_permissions = 0700
replconninfo1 = 'localhost=10.77.0.1 localport=15401 localheartbeatport=15405 remotehost=10.77.0.2'
shared_buffers = 32MB
checkpoint_completion_target = 0.5
archive_command = 'cp "%p" /mnt/it''s/%f'
enable_thread_pool = on
log_directory = '/var/log/omm/omm/pg_log/dn_6001'
port = 15500
"""


def _values(text: str) -> dict[str, str]:
    found = settings_of(parse_postgresql_conf(text))
    return {name: assignment.value for name, assignment in found.items()}


def test_the_file_of_an_installation_is_read() -> None:
    """Comments, quotes, units and numbers come out as the server takes them; the last line wins."""
    assert _values(REAL) == {
        "listen_addresses": "localhost,10.77.0.1",
        "port": "15500",
        "max_connections": "5000",
        "unix_socket_permissions": "0700",
        "replconninfo1": "localhost=10.77.0.1 localport=15401 localheartbeatport=15405"
        " remotehost=10.77.0.2",
        "shared_buffers": "32MB",
        "checkpoint_completion_target": "0.5",
        "archive_command": 'cp "%p" /mnt/it\'s/%f',
        "enable_thread_pool": "on",
        "log_directory": "/var/log/omm/omm/pg_log/dn_6001",
    }


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("port=5432", "port", "5432"),
        ("port 5432", "port", "5432"),
        ("port'5432'", "port", "5432"),
        ("PORT = 5432 # why", "port", "5432"),
        ("  \t Port\t=\t5432\r", "port", "5432"),
        ("listen_addresses = '*'", "listen_addresses", "*"),
        ("listen_addresses = ''", "listen_addresses", ""),
        ("a.b = x", "a.b", "x"),
        ("host = node-1.example:5/x", "host", "node-1.example:5/x"),
        ("x = 'a # b' # c", "x", "a # b"),
        ("x = 'it''s'", "x", "it's"),
        (r"x = 'it\'s'", "x", "it's"),
        (r"x = 'a\\b\tc\101'", "x", "a\\b\tcA"),
        ("x = -1", "x", "-1"),
        ("x = 0x1F", "x", "0x1F"),
        ("x = .5", "x", ".5"),
        ("x = 1.5E-3", "x", "1.5E-3"),
        ("x = 30s", "x", "30s"),
        ("größe = ü", "größe", "ü"),
        ("include '/etc/og.conf'", "include", "/etc/og.conf"),
        ("include_if_exists 'x.conf'", "include_if_exists", "x.conf"),
    ],
)
def test_a_line_is_taken_as_the_server_takes_it(line: str, name: str, value: str) -> None:
    """Every form of an assignment that guc-file.l knows is read."""
    assert parse_postgresql_conf(line) == (Assignment(name, value, "postgresql.conf", 1),)


@pytest.mark.parametrize(
    "line",
    [
        "port",
        "port =",
        "port5432",
        "port = 5432 6000",
        "port = 'x",
        "= 5432",
        "port == 5432",
        "listen_addresses = 10.0.0.1",
        "listen_addresses = *",
        "x = 'a' 'b'",
        "1x = 2",
        "port := 5432",
        "x = \x0b5",
        "x = 1e3",  # to the server an integer with a unit, and digits that follow it
    ],
)
def test_a_syntax_error_names_file_and_line(line: str) -> None:
    """A line that the server refuses is an error that tells where it stands."""
    with pytest.raises(ParseError, match=r"^/dn/postgresql.conf: line 3: expected a name and"):
        parse_postgresql_conf(f"\n# fine\n{line}\nport = 1\n", "/dn/postgresql.conf")


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *[("on", True), ("ON", True), ("t", True), ("yes", True), ("1", True), ("true", True)],
        *[("off", False), ("of", False), ("f", False), ("n", False), ("0", False)],
    ],
)
def test_booleans_are_those_of_the_server(word: str, meaning: bool) -> None:
    """Every unambiguous beginning of a boolean's word counts."""
    assert truth(Assignment("ss_enable_dms", word, "f", 1)) is meaning


@pytest.mark.parametrize("word", ["", "o", "maybe", "2", "onn"])
def test_another_word_is_no_boolean(word: str) -> None:
    """What the server would refuse is an error that names the setting and its line."""
    with pytest.raises(ParseError, match="f: line 7: ss_enable_dms: expected a boolean"):
        truth(Assignment("ss_enable_dms", word, "f", 7))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15400", 15400),
        ("+15400", 15400),
        ("-1", -1),
        (" 7 ", 7),
        ("\t\n\v\f\r7\v", 7),
        ("0", 0),
        ("00", 0),
        ("0700", 448),
        ("036050", 15400),
        ("-017", -15),
        ("0x3c28", 15400),
        ("0X3C28", 15400),
        ("+0x10", 16),
        ("0x" + "0" * 20 + "3c28", 15400),
        ("2147483647", 2147483647),
        ("-2147483648", -2147483648),
    ],
)
def test_numbers_are_read(text: str, value: int) -> None:
    """Decimal, octal and hexadecimal numbers are read as C reads them: a leading 0 means octal."""
    assert number(Assignment("port", text, "f", 1)) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "+", "1.5", "15400MB", "²", "٣", "\xa07", "1 2", "+ 1", "--1"),
        *("08", "0789", "019", "0x", "0xg", "0b1", "0o17", "1_000"),
        *("1" * 20, "2147483648", "-2147483649", "0xffffffff", "0" * 5000 + "7"),
    ],
)
def test_another_text_is_no_number(text: str) -> None:
    """Anything else is an error, never 0."""
    with pytest.raises(ParseError, match="f: line 1: port: expected a whole number"):
        number(Assignment("port", text, "f", 1))


_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True)
_STRINGS = st.text(
    st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=30
)


@given(st.lists(st.tuples(_NAMES, _STRINGS), max_size=8))
def test_what_was_quoted_comes_back(pairs: list[tuple[str, str]]) -> None:
    """Any value in quotes, its own quotes and backslashes doubled, is read as it was."""
    text = "\n".join(
        f"{name} = '{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}'"
        for name, value in pairs
    )
    assert [(item.name, item.value) for item in parse_postgresql_conf(text)] == pairs
