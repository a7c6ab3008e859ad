"""The real exporter behind TLS, client certificates and passwords: who gets in, by curl."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import bcrypt
import pytest

from tests.support.exporter_process import PATIENCE_SECONDS, ExporterProcess
from tests.support.pki import Pair, Pki, make_pki
from tests.support.programs import find_program
from tests.support.web import read_all

USER, PASSWORD = "prometheus", "p:ä ss"
PAGE = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"


class Secured(NamedTuple):
    """An exporter with every door closed, and the keys to them."""

    exporter: ExporterProcess
    pki: Pki
    file: Path

    def curl(self, *words: str, path: str = "/metrics") -> subprocess.CompletedProcess[str]:
        """Ask with curl; stdout ends with the status."""
        program = find_program("curl", package="curl")
        fixed = ["--silent", "--show-error", "--max-time", "30", "--write-out", r"\n%{http_code}"]
        trust = ["--cacert", str(self.pki.authority.certificate)]
        url = f"https://127.0.0.1:{self.exporter.port}{path}"
        return subprocess.run(
            [program, *fixed, *trust, *words, url], capture_output=True, text=True, check=False
        )

    def status(self, *words: str, path: str = "/metrics") -> str:
        """Ask with curl; returns the status, 000 without an answer."""
        return self.curl(*words, path=path).stdout[-3:]

    def refused(self, reason: str) -> int:
        """Return how often clients were refused for a reason."""
        page = self.curl(*certificate(self.pki.client), *password()).stdout
        name = f'opengauss_exporter_web_refusals_total{{reason="{reason}"}}'
        found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
        assert found, page
        return int(float(found[1]))

    def exchange(self, *parts: bytes) -> bytes:
        """Send bytes over TLS with the right certificate, and read to the end."""
        context = ssl.create_default_context(cafile=str(self.pki.authority.certificate))
        context.load_cert_chain(self.pki.client.certificate, self.pki.client.key)
        raw = socket.create_connection(("127.0.0.1", self.exporter.port), PATIENCE_SECONDS)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
            try:
                for part in parts:
                    client.sendall(part)
            except OSError:
                pass  # it does not want to hear more
            return read_all(client)


def certificate(pair: Pair) -> tuple[str, ...]:
    """Words that make curl present a certificate."""
    return ("--cert", str(pair.certificate), "--key", str(pair.key))


def password(user: str = USER, secret: str = PASSWORD) -> tuple[str, ...]:
    """Words that make curl say who asks."""
    return ("--user", f"{user}:{secret}")


def web_config(pki: Pki) -> str:
    """Write a configuration that asks for everything."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    return f"""\
tls_server_config:
  cert_file: {pki.server.certificate}
  key_file: {pki.server.key}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {pki.authority.certificate}
basic_auth_users: {{{USER}: {hashed}}}
http_server_config: {{headers: {{Strict-Transport-Security: max-age=60}}}}
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One exporter for all of it."""
    directory = tmp_path_factory.mktemp("secured")
    pki = make_pki(directory)
    file = directory / "web.yml"
    file.write_text(web_config(pki), encoding="utf-8")
    flags = (f"--web.config.file={file}", "--web.enable-lifecycle")
    with ExporterProcess(None, *flags) as exporter:
        exporter.wait_for("ready")
        yield Secured(exporter, pki, file)


def test_certificate_and_password_together_get_the_page(secured: Secured) -> None:
    """The right client sees the page, with the configured header on it."""
    answer = secured.curl("--include", *certificate(secured.pki.client), *password())
    assert answer.stdout.endswith("\n200"), answer
    assert "opengauss_exporter_build_info" in answer.stdout
    assert "Strict-Transport-Security: max-age=60" in answer.stdout


@pytest.mark.parametrize("words", [password(USER, "guess"), password("nobody"), ()])
def test_a_certificate_alone_is_not_enough(secured: Secured, words: tuple[str, ...]) -> None:
    """A wrong password, a user who is not there, no password: 401, counted."""
    before = secured.refused("unauthorized")
    assert secured.status(*certificate(secured.pki.client), *words) == "401"
    assert secured.refused("unauthorized") == before + 1


@pytest.mark.parametrize("path", ["/", "/-/healthy", "/-/ready", "/diagnosis", "/nowhere"])
def test_no_path_is_open(secured: Secured, path: str) -> None:
    """Each page asks for the password, also one that is not there."""
    assert secured.status(*certificate(secured.pki.client), path=path) == "401"


def test_a_reload_asks_for_the_password_too(secured: Secured) -> None:
    """Nobody makes the exporter read its files without the password."""
    post = ("--request", "POST", *certificate(secured.pki.client))
    assert secured.status(*post, path="/-/reload") == "401"
    assert secured.status(*post, *password(), path="/-/reload") == "200"


@pytest.mark.parametrize("who", ["no certificate", "stranger", "TLS 1.1", "plain text"])
def test_without_the_right_handshake_there_is_no_answer(secured: Secured, who: str) -> None:
    """Each gets nothing but the end of the connection, and is counted."""
    words = {
        "no certificate": (),
        "stranger": certificate(secured.pki.stranger),
        "TLS 1.1": (
            *("--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"),
            *certificate(secured.pki.client),
        ),
        "plain text": ("--proto", "=http", "--url", f"http://127.0.0.1:{secured.exporter.port}"),
    }[who]
    before = secured.refused("tls")
    answer = secured.curl(*words, *password())
    assert answer.stdout[-3:] == "000", answer
    assert answer.returncode not in {0, 28}, answer
    assert secured.refused("tls") == before + 1


def test_a_client_that_trusts_another_authority_does_not_speak(secured: Secured) -> None:
    """To curl, our certificate signed by an authority that it does not know is no certificate.

    The exporter is told so in the handshake, and counts it.
    """
    before, other = secured.refused("tls"), secured.pki.stranger.certificate
    answer = secured.curl("--cacert", str(other), *certificate(secured.pki.client), *password())
    assert answer.returncode == 60, answer
    assert secured.refused("tls") == before + 1


def test_ten_megabytes_of_header_are_refused(secured: Secured) -> None:
    """The client is told why, long before the end, and the exporter's memory does not follow."""
    before = secured.refused("header_too_large")
    answer = secured.exchange(b"GET / HTTP/1.1\r\n", *[b"X: " + b"x" * 65_533] * 160)
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""
    assert secured.refused("header_too_large") == before + 1


def test_pipelined_rubbish_costs_its_own_connection(secured: Secured) -> None:
    """A request before the rubbish is answered, then 400, then the end."""
    before = secured.refused("malformed")
    answer = secured.exchange(PAGE + b"\x00\x01 rubbish\r\n\r\n" + PAGE)
    assert answer.count(b"HTTP/1.1 401 ") == 1
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert secured.refused("malformed") == before + 1


def test_new_files_count_and_bad_ones_do_not(secured: Secured) -> None:
    """Without a signal: a bad file is told by log and metric, and changes nothing.

    A good one heals, and lets another user in, and the one before no longer.
    """
    right = (*certificate(secured.pki.client), *password())
    seen = len(secured.exporter.events)
    good = secured.file.read_text(encoding="utf-8")
    replace(secured.file, "basic_auth_users: {prometheus: secret}")
    refused = secured.exporter.wait_for("web configuration refused, the old one stays in force")
    assert "not a bcrypt hash" in refused["problem"]
    assert "secret" not in refused["problem"]
    page = secured.curl(*right).stdout
    assert "opengauss_exporter_config_last_reload_successful 0.0" in page
    replace(secured.file, good.replace(f"{{{USER}:", "{alice:"))
    secured.exporter.signal(signal.SIGHUP)  # else it takes five seconds
    secured.exporter.wait_for("web configuration reloaded", seen)
    assert secured.status(*right) == "401"
    alice = (*certificate(secured.pki.client), *password("alice"))
    page = secured.curl(*alice).stdout
    assert "opengauss_exporter_config_last_reload_successful 1.0" in page
    replace(secured.file, good)
    secured.exporter.signal(signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while secured.status(*right) != "200":
        assert time.monotonic() < deadline


def replace(file: Path, text: str) -> None:
    """Put a new file in the place of the old one, as an operator's tools do."""
    new = file.with_name("new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)  # noqa: PTH105 -- the same as Path.replace, which hides the overwriting


def test_a_bad_file_at_the_start_is_exit_status_78(tmp_path: Path) -> None:
    """Nothing is served under a configuration that nobody wrote; every problem is told."""
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {}\nrate_limit: {}\n", encoding="utf-8")
    with ExporterProcess(None, f"--web.config.file={file}") as exporter:
        assert exporter.wait() == 78
    told = [event["msg"] for event in exporter.events]
    assert told[-4:] == [
        f"{file}: line 1: tls_server_config.cert_file: missing",
        f"{file}: line 1: tls_server_config.key_file: missing",
        f"{file}: line 2: rate_limit.burst: missing",
        f"{file}: line 2: rate_limit.interval: missing",
    ]
