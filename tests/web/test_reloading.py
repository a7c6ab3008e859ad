"""A new configuration takes over whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import pytest
from structlog.testing import capture_logs

from exporter.config.web import TlsConfig, WebConfig
from exporter.errors import ConfigError
from exporter.scrape.registry import Registry
from exporter.scrape.self_metrics import ReloadRecord
from exporter.web.gate import Access, PasswordChecker, make_access
from exporter.web.reloading import Reloader, WebFile


class Work:
    """An application that notes what is done with it, and fails where told."""

    def __init__(self, name: str, diary: list[str], broken: str = "") -> None:
        self.name = name
        self.registry = Registry([], [])
        self._diary = diary
        self._broken = broken

    def start(self) -> None:
        """Note it."""
        self._note("start")

    def stop(self) -> None:
        """Note it."""
        self._note("stop")

    def _note(self, what: str) -> None:
        self._diary.append(f"{what} {self.name}")
        if what == self._broken:
            raise ZeroDivisionError(what)


class Stage:
    """A reloader over applications of the test, with a clock that goes on by one a look."""

    def __init__(self, fresh: Optional[Work] = None, error: Optional[Exception] = None) -> None:
        self.diary: list[str] = []
        self.fresh = fresh or Work("new", self.diary)
        self.fresh._diary = self.diary
        self.error = error
        self._now = 0.0
        self.record = ReloadRecord(self._wall)
        self.old = Work("old", self.diary)
        self.reloader = Reloader(self.old, self._rebuild, self.record)

    def _wall(self) -> float:
        self._now += 1.0
        return self._now

    def _rebuild(self) -> Work:
        self.diary.append("rebuild")
        if self.error is not None:
            raise self.error
        return self.fresh


def test_the_old_one_ends_before_the_new_one_starts() -> None:
    """Both want the same files: never are two at work."""
    stage = Stage()
    assert stage.reloader.reload() == ""
    assert stage.diary == ["rebuild", "stop old", "start new"]
    assert stage.reloader.current is stage.fresh
    assert (stage.record.loaded_at, stage.record.problem) == (2.0, "")


@pytest.mark.parametrize(
    ("error", "problem", "traceback"),
    [
        (
            ConfigError("x.yml", ("line 1: a", "line 2: b")),
            "x.yml: line 1: a\nx.yml: line 2: b",
            False,
        ),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops", True),
    ],
)
def test_what_cannot_be_built_changes_nothing(
    error: Exception, problem: str, *, traceback: bool
) -> None:
    """The old one is not touched; the reason is returned, logged once, and kept for the metric."""
    stage = Stage(error=error)
    with capture_logs() as logs:
        assert stage.reloader.reload() == problem
    assert stage.diary == ["rebuild"]
    assert stage.reloader.current is stage.old
    assert (stage.record.loaded_at, stage.record.problem) == (1.0, problem)
    assert [(entry["log_level"], bool(entry["exc_info"])) for entry in logs] == [
        ("error", traceback)
    ]


def test_a_good_one_heals_a_failed_reload() -> None:
    """The problem goes with the next configuration that holds."""
    stage = Stage(error=ZeroDivisionError())
    stage.reloader.reload()
    stage.error = None
    assert stage.reloader.reload() == ""
    assert (stage.record.loaded_at, stage.record.problem) == (2.0, "")


@pytest.mark.parametrize(("who", "what"), [("old", "stop"), ("new", "start")])
def test_background_work_that_fails_does_not_end_the_exporter(who: str, what: str) -> None:
    """A bug at this point is logged, and the new configuration is in force all the same."""
    stage = Stage()
    (stage.old if who == "old" else stage.fresh)._broken = what
    with capture_logs() as logs:
        assert stage.reloader.reload() == ""
    assert stage.reloader.current is stage.fresh
    assert stage.diary == ["rebuild", "stop old", "start new"]
    assert logs[0]["event"] == f"background work did not {what}"


def test_the_other_file_is_read_with_it() -> None:
    """What is wrong with another file is told, and keeps no new configuration back."""
    stage = Stage()
    bad = "web.yml: line 1: bad"
    stage.reloader = Reloader(stage.old, stage._rebuild, stage.record, lambda: bad)
    assert stage.reloader.reload() == bad
    assert stage.reloader.current is stage.fresh


def test_one_bad_file_is_a_problem_until_it_is_good() -> None:
    """Each file has its own problem; the time is that of the last one that was put in force."""
    times = iter((1.0, 2.0, 3.0))
    record = ReloadRecord(lambda: next(times))
    record.note("web", "bad")
    record.note("own", "")
    assert (record.loaded_at, record.problem) == (2.0, "bad")
    record.note("web", "")
    assert (record.loaded_at, record.problem) == (3.0, "")


class Setting:
    """A file whose content is the value of one header, and a certificate beside it."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "web.yml"
        self.certificate = directory / "node.crt"
        self.told: list[str] = []
        self.fails_late = False
        self._time = 0
        self.write(self.file, "one")
        self.write(self.certificate, "certificate")
        self.web = WebFile(self.file, self._load, self._apply, self.told.append)

    def write(self, path: Path, text: str) -> None:
        """Write a file with a time of its own, however coarse the file system's clock is."""
        self._time += 1
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(self._time, self._time))

    @property
    def value(self) -> str:
        """What is in force."""
        return dict(self.web.access().headers)["X"]

    def _load(self, path: Path) -> WebConfig:
        text = path.read_text(encoding="utf-8")
        if text.startswith("bad"):
            raise ConfigError(str(path), (text,))
        tls = TlsConfig(str(self.certificate), str(self.certificate))
        return WebConfig(tls, (("X", f"{text} {self.certificate.read_text()}"),))

    def _apply(self, config: WebConfig) -> Access:
        if self.fails_late:
            raise OSError("gone in between")
        plain = WebConfig(headers=config.headers)
        return make_access(plain, PasswordChecker(), lambda: 0.0)


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """A good file, read once."""
    return Setting(tmp_path)


def test_nothing_is_read_while_nothing_changes(setting: Setting) -> None:
    """A look at unchanged files keeps what is in force, the same object."""
    before = setting.web.access()
    assert setting.web.refresh() == ""
    assert setting.web.access() is before
    assert setting.told == []


@pytest.mark.parametrize(("name", "value"), [("web.yml", "two certificate"), ("node.crt", "one 2")])
def test_a_change_of_any_file_counts_at_the_next_look(
    setting: Setting, name: str, value: str
) -> None:
    """The configuration itself, and each certificate that it names."""
    setting.write(setting.file.with_name(name), value.split()[name == "node.crt"])
    assert setting.web.refresh() == ""
    assert setting.value == value
    assert setting.told == [""]


def test_a_certificate_replaced_by_a_link_is_noticed(setting: Setting, tmp_path: Path) -> None:
    """Certificate managers turn a link; the file behind it is what counts."""
    new = tmp_path / "renewed.crt"
    new.write_text("renewed", encoding="utf-8")
    link = tmp_path / "link"
    link.symlink_to(new)
    link.replace(setting.certificate)
    setting.web.refresh()
    assert setting.value == "one renewed"


def test_a_bad_file_keeps_the_old_one(setting: Setting) -> None:
    """It is logged once, however often it is looked at, and healed by a good one."""
    setting.write(setting.file, "bad: x")
    with capture_logs() as logs:
        first, second = setting.web.refresh(), setting.web.refresh()
    assert first == second == f"{setting.file}: bad: x"
    assert [(entry["log_level"], entry["problem"]) for entry in logs] == [("error", first)]
    assert setting.value == "one certificate"
    setting.write(setting.file, "three")
    assert setting.web.refresh() == ""
    assert setting.value == "three certificate"
    assert setting.told[-1] == ""


def test_a_file_that_goes_away_keeps_the_old_one(setting: Setting) -> None:
    """A missing file is a bad one."""
    setting.file.rename(setting.file.with_name("elsewhere"))
    setting._load = lambda path: (_ for _ in ()).throw(ConfigError(str(path), ("gone",)))  # type: ignore[method-assign]  # what the loader says of a missing file
    setting.web._load = setting._load
    assert "gone" in setting.web.refresh()
    assert setting.value == "one certificate"


def test_what_openssl_refuses_late_is_a_problem_too(setting: Setting) -> None:
    """Files may change between the check and their use: that is tried again at the next look."""
    setting.fails_late = True
    setting.write(setting.file, "two")
    assert "gone in between" in setting.web.refresh()
    assert setting.value == "one certificate"
    setting.fails_late = False
    assert setting.web.refresh() == ""
    assert setting.value == "two certificate"


def test_without_a_file_the_door_is_open() -> None:
    """No flag: plain HTTP, no users, and nothing to look at."""
    web = WebFile(
        None,
        lambda _: pytest.fail("nothing to load"),
        lambda config: make_access(config, PasswordChecker(), lambda: 0.0),
        lambda _: pytest.fail("nothing to tell"),
    )
    assert web.refresh() == ""
    assert web.tls() is None
