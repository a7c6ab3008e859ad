"""The real exporter as a child process: started on a free port, watched through its log.

    with ExporterProcess("endpoints: [...]") as exporter:
        exporter.wait_ready()
        page = exporter.metrics()

The port is the kernel's choice; the exporter tells it in its log, so two tests never clash.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, final

PATIENCE_SECONDS = 30.0
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def run_once(config: Optional[str] = None, *flags: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``once`` to its end."""
    return run_command("once", config, *flags)


def run_command(
    command: str, config: Optional[str] = None, *flags: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; ``config`` is the text of its configuration file."""
    with tempfile.TemporaryDirectory(prefix="exporter-") as directory:
        words = [sys.executable, "-m", "exporter", command, *flags]
        if config is not None:
            file = Path(directory, "exporter.yml")
            file.write_text(config, encoding="utf-8")
            words.append(f"--config.file={file}")
        return subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": directory},
            capture_output=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )


@final
class ExporterProcess:
    """A running exporter; ``config`` is the text of its configuration file.

    ``prefix`` is put before the command (``setpriv …``, ``ip netns exec …``), ``env`` is added
    to the environment. ``events`` are its log records as dicts, in order.
    """

    def __init__(
        self,
        config: Optional[str] = None,
        *flags: str,
        listen: Sequence[str] = ("127.0.0.1:0",),
        prefix: Sequence[str] = (),
        env: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.events: list[dict[str, Any]] = []
        self.started = time.monotonic()
        self._news = threading.Condition()
        self._ended = False
        self._directory = tempfile.TemporaryDirectory(prefix="exporter-")
        os.chmod(self._directory.name, 0o755)  # noqa: S103, PTH101  # a prefix may change the user
        self.config_file = Path(self._directory.name, "exporter.yml")
        words = [*prefix, sys.executable, "-m", "exporter", "--log.format=json", *flags]
        words += [f"--web.listen-address={address}" for address in listen]
        if config is not None:
            self.config_file.write_text(config, encoding="utf-8")
            words.append(f"--config.file={self.config_file}")
        own = {"XDG_STATE_HOME": self._directory.name}  # not that of who runs the tests
        self._process = subprocess.Popen(
            words, cwd=ROOT, env={**os.environ, **own, **(env or {})}, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> ExporterProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The child's process id (the prefix's, when it does not exec)."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port of the first listen address; waits until it is known."""
        return int(self.wait_for("listening")["port"])

    def wait_for(self, message: str, after: int = 0) -> dict[str, Any]:
        """Wait for a log record of this message, the first one behind ``after`` records."""
        with self._news:
            self._news.wait_for(
                lambda: self._ended or self._find(message, after) is not None, PATIENCE_SECONDS
            )
            found = self._find(message, after)
        assert found is not None, f"no {message!r} in the log: {self.events}"
        return found

    def wait_ready(self) -> float:
        """Wait until every collector succeeded once; returns the seconds since the start."""
        self.wait_for("ready")
        took = time.monotonic() - self.started
        answer = self.get("/-/ready")
        assert answer.status == 200, answer
        return took

    def get(
        self, path: str, headers: Optional[Mapping[str, str]] = None, method: str = "GET"
    ) -> Answer:
        """Ask for a page over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())
        finally:
            connection.close()

    def metrics(self) -> str:
        """Scrape once."""
        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return answer.text

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the child's end; returns its exit status."""
        status = self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return status

    def stop(self) -> int:
        """End the child as an init system does; returns its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._directory.cleanup()

    def _find(self, message: str, after: int) -> Optional[dict[str, Any]]:
        return next((event for event in self.events[after:] if event["msg"] == message), None)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"msg": line.decode(errors="replace").rstrip(), "level": "raw"}
            with self._news:
                self.events.append(event)
                self._news.notify_all()
        self._process.stderr.close()
        with self._news:
            self._ended = True
            self._news.notify_all()
