"""The web configuration is read anew when a file of it changes, and a bad one changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config.web_facts import TlsConfig, WebConfig
from exporter.errors import ConfigError
from exporter.web.gate import Access, make_access
from exporter.web.passwords import PasswordChecker
from exporter.web.web_file import WebFile


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
