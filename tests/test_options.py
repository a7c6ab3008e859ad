"""From words to Options."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import parse, split_command
from exporter.errors import UsageError
from exporter.options import COLLECTORS, FLAGS, Flag, ListenAddress, Options, Values, options_of


def _values(*words: str) -> Values:
    return parse(words, FLAGS)


def _options(*words: str) -> Options:
    return options_of(_values(*words))


def _refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        _options(*words)
    return str(caught.value)


def test_without_flags_the_defaults_hold() -> None:
    """The defaults of the flags are those of the Options."""
    assert _options() == Options()


def test_every_flag_reaches_its_option() -> None:
    """Each flag, with a value that is not its default, is found in its field."""
    words = [
        "--config.file=/etc/a.yml",
        "--config.check",
        "--web.listen-address=:1",
        "--web.config.file=web.yml",
        "--web.telemetry-path=/m",
        "--web.enable-lifecycle",
        "--web.max-requests=0",
        "--no-collector.node",
        "--path.procfs=/h/proc",
        "--path.sysfs=/h/sys",
        "--path.rootfs=/h",
        "--log.level=debug",
        "--log.format=json",
    ]
    assert _options(*words) == Options(
        config_file=Path("/etc/a.yml"),
        config_check=True,
        listen_addresses=(ListenAddress("", 1),),
        web_config_file=Path("web.yml"),
        telemetry_path="/m",
        enable_lifecycle=True,
        max_requests=0,
        collectors=frozenset(COLLECTORS) - {"node"},
        procfs=Path("/h/proc"),
        sysfs=Path("/h/sys"),
        rootfs=Path("/h"),
        log_level="debug",
        log_format="json",
    )
    tried = {word.split("=")[0].lstrip("-") for word in words}
    assert tried >= {flag.name for flag in FLAGS if not flag.negatable}


def test_the_largest_limit_is_taken() -> None:
    """The bound that the refusal names is itself allowed."""
    assert _options("--web.max-requests=10000").max_requests == 10_000
    assert "10001" in _refusal("--web.max-requests=10001")


def test_a_value_may_stand_behind_a_blank() -> None:
    """``--flag value`` is ``--flag=value``."""
    assert _options("--log.level", "error") == _options("--log.level=error")


def test_the_last_of_two_contradicting_switches_holds() -> None:
    """A collector is on or off as it was said last."""
    assert "node" in _options("--no-collector.node", "--collector.node").collectors


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":19836", ("", 19836)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("node-1.example:9100", ("node-1.example", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("[fe80::1%eth0]:65535", ("fe80::1%eth0", 65535)),
    ],
)
def test_listen_addresses_are_written_as_everywhere(text: str, address: tuple[str, int]) -> None:
    """Port alone, host and port, bracketed IPv6 and port are addresses."""
    assert _options(f"--web.listen-address={text}").listen_addresses == (address,)
    assert str(ListenAddress(*address)) == text


def test_several_listen_addresses_keep_their_order_and_tell_their_ports() -> None:
    """The flag may be repeated; port 0 is no known port."""
    words = [f"--web.listen-address={text}" for text in ("127.0.0.1:1", "[::1]:2", ":0", ":0")]
    options = _options(*words)
    assert [address.port for address in options.listen_addresses] == [1, 2, 0, 0]
    assert options.listen_ports == {1, 2}


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("--web.listen-address=19836", "'19836' is none of :PORT, HOST:PORT, [IPv6]:PORT"),
        ("--web.listen-address=:65536", "':65536' is none of"),
        ("--web.listen-address=::1:80", "'::1:80' is none of"),
        ("--web.listen-address=http://a:80", "'http://a:80' is none of"),
        ("--web.listen-address=", "'' is none of"),
        ("--web.telemetry-path=metrics", "'metrics' is not a path"),
        ("--web.telemetry-path=/", "'/' is not a path"),
        ("--web.telemetry-path=/-/ready", "'/-/ready' is not a path"),
        ("--web.telemetry-path=/a?b", "'/a?b' is not a path"),
        ("--web.max-requests=-1", "'-1' is not a whole number from 0 to 10000"),
        ("--web.max-requests=ten", "'ten' is not a whole number"),
        ("--path.procfs=proc", "'proc' is not an absolute path"),
        ("--log.level=loud", "'loud' is none of debug, info, warn, error"),
        ("--log.format=xml", "'xml' is none of logfmt, json"),
        ("--web.listen-adress=:1", "'--web.listen-adress'; did you mean --web.listen-address?"),
        ("--no-colector.node", "'--no-colector.node'; did you mean --no-collector.node?"),
        ("--web.listen", "unknown flag '--web.listen'"),
        ("--zzz", "unknown flag '--zzz'"),
        ("extra", "unexpected argument 'extra'"),
        ("--config.file", "expected one argument"),
        ("--web.enable-lifecycle=yes", "ignored explicit argument 'yes'"),
    ],
)
def test_wrong_words_are_answered_with_what_is_allowed(word: str, answer: str) -> None:
    """Each wrong word has an answer that helps to write the right one."""
    assert answer in _refusal(word)


def test_one_address_cannot_be_listened_on_twice() -> None:
    """The same address twice is a mistake that would only show when the exporter starts."""
    assert "twice" in _refusal("--web.listen-address=:1", "--web.listen-address=:1")


@pytest.mark.parametrize(
    ("words", "command", "rest"),
    [
        ([], None, ()),
        (["once"], "once", ()),
        (["--log.level=debug", "once"], "once", ("--log.level=debug",)),
        (["--log.level", "debug", "once"], "once", ("--log.level", "debug")),
        (["once", "--log.level", "debug"], "once", ("--log.level", "debug")),
        (["--config.check", "once"], "once", ("--config.check",)),
        (["--no-collector.node", "once", "twice"], "once", ("--no-collector.node", "twice")),
        (["--log.level", "--config.file", "once"], "once", ("--log.level", "--config.file")),
    ],
)
def test_the_command_is_found_wherever_it_stands(
    words: list[str], command: Optional[str], rest: tuple[str, ...]
) -> None:
    """Flags may stand before and behind the command, with their values behind a blank or not."""
    assert split_command(words, FLAGS) == (command, rest)


_WORDS = st.sampled_from([name for flag in FLAGS for name in flag.names]) | st.text(max_size=12)


@given(st.lists(st.one_of(_WORDS, st.builds("{}={}".format, _WORDS, st.text(max_size=8)))))
def test_any_words_give_options_or_a_usage_error(words: list[str]) -> None:
    """Nothing that can be typed is answered with a traceback."""
    outcome: object = None
    try:
        outcome = _options(*(word for word in words if word not in {"-h", "--help", "--version"}))
    except UsageError as error:
        outcome = error
    assert isinstance(outcome, (Options, UsageError))


def test_a_percent_sign_in_a_flags_help_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Help is text, whatever argparse would make of it."""
    with pytest.raises(SystemExit):
        parse(["-h"], [Flag("a.b", "At 100% (all)", "N")], "more")
    shown = capsys.readouterr().out
    assert "At 100% (all)" in shown
    assert "more" in shown
