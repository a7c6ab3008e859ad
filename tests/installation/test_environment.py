"""The order of the places that may tell the environment, and what changes cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

import pytest

from exporter.config.schema import InstallationHints
from exporter.errors import SourceError
from exporter.host.command import Account
from exporter.host.files import HostFiles
from exporter.installation.environment import Environment, EnvironmentSearch
from exporter.installation.facts import FactState
from tests.support.trees import ENV_FILE, HOME, US, FakeProc, Tree

CRON = (
    "* * * * * source ~/.bashrc;source {};nohup /cron/app/bin/om_monitor -L /cron/log/cm/om_monitor"
)


class Shell:
    """Answers by the file's text: its GAUSSHOME, or an error for what begins with ``!``."""

    def __init__(self, files: HostFiles) -> None:
        self.files = files
        self.asked: list[tuple[str, ...]] = []

    def evaluate(self, files: Sequence[str], account: Account) -> Mapping[str, str]:
        """Read the last file."""
        assert account == US
        self.asked.append(tuple(files))
        text = self.files.text(files[-1]).strip()
        if text.startswith("!"):
            raise SourceError(f"{files[-1]}: {text[1:]}")
        return {"GAUSSHOME": text, "TZ": "UTC"} if text else {"TZ": "UTC"}


class World:
    """One host: a tree, its processes, and the search that looks at both."""

    def __init__(self, directory: Path, own: Optional[dict[str, str]] = None) -> None:
        self.tree = Tree(directory / "root")
        self.proc = FakeProc(directory / "proc")
        files = HostFiles(self.tree.root)
        self.shell = Shell(files)
        self.search = EnvironmentSearch(files, self.proc.reader(), self.shell.evaluate, own or {})

    def find(self, **hints: str) -> Environment:
        """Look once."""
        return self.search.find(InstallationHints(**hints), US)  # type: ignore[arg-type]  # all of them take text


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A host on which nothing of the environment is known."""
    return World(tmp_path)


def _tells(environment: Environment) -> tuple[Optional[str], str]:
    return environment.variables.get("GAUSSHOME"), environment.origin


def test_nothing_found_tells_where_was_looked(world: World) -> None:
    """No variables, no failure, and every place by its name."""
    found = world.find()
    assert found.variables == {}
    assert [lookup.origin for lookup in found.lookups] == [f"{HOME}/.bashrc"]
    assert not any(lookup.failed for lookup in found.lookups)


def test_the_places_are_asked_in_their_order(world: World) -> None:
    """Configured file, running process, default file, crontab: each only without the one before."""
    world.tree.crontab(CRON.format("/none"))
    assert _tells(world.find()) == ("/cron/app", "/var/spool/cron/omm")
    world.tree.write(f"{HOME}/.bashrc", "/bashrc/app")
    assert _tells(world.find()) == ("/bashrc/app", f"{HOME}/.bashrc")
    world.proc.add(7, "cm_agent", GAUSSHOME="/running/app")
    assert _tells(world.find()) == ("/running/app", "process 7 (cm_agent)")
    world.tree.write(ENV_FILE, "/configured/app")
    assert _tells(world.find(env_file=ENV_FILE)) == ("/configured/app", ENV_FILE)


def test_the_separate_file_stands_for_bashrc(tmp_path: Path) -> None:
    """MPPDB_ENV_SEPARATE_PATH in the exporter's own environment names the file."""
    world = World(tmp_path, {"MPPDB_ENV_SEPARATE_PATH": ENV_FILE})
    world.tree.write(ENV_FILE, "/separate/app")
    world.tree.write(f"{HOME}/.bashrc", "/bashrc/app")
    assert _tells(world.find()) == ("/separate/app", ENV_FILE)


def test_the_files_of_the_crontab_line_are_evaluated_together(world: World) -> None:
    """Those that exist, ``~`` filled in, in the line's order; its directories come last."""
    world.tree.write(f"{HOME}/.bashrc", "")
    world.tree.write(ENV_FILE, "/line/app")
    world.tree.crontab(CRON.format(ENV_FILE))
    assert _tells(world.find()) == ("/line/app", f"{HOME}/.bashrc and {ENV_FILE}")
    assert world.shell.asked[-1] == (f"{HOME}/.bashrc", ENV_FILE)


@pytest.mark.parametrize("spool", ["/var/spool/cron", "/var/spool/cron/crontabs"])
def test_the_crontab_alone_tells_home_and_logs(world: World, spool: str) -> None:
    """Where neither process nor file can be asked the line's own words are left."""
    world.tree.write(f"{spool}/omm", CRON.format("/none"))
    assert world.find().variables == {"GAUSSHOME": "/cron/app", "GAUSSLOG": "/cron/log"}


def test_bash_is_asked_only_when_a_file_has_changed(world: World) -> None:
    """A look without changes costs no program."""
    world.tree.write(f"{HOME}/.bashrc", "/one/app")
    assert world.find() == world.find()
    assert len(world.shell.asked) == 1
    world.tree.write(f"{HOME}/.bashrc", "/three/app")
    assert _tells(world.find())[0] == "/three/app"
    assert len(world.shell.asked) == 2


def test_a_failing_file_keeps_what_it_said_before(world: World) -> None:
    """The last good variables stay, and the failure is told until the file is mended."""
    world.tree.write(f"{HOME}/.bashrc", "/one/app")
    world.find()
    world.tree.write(f"{HOME}/.bashrc", "!line 3: broken")
    for _ in range(2):
        found = world.find()
        assert _tells(found)[0] == "/one/app"
        assert [f.detail for f in found.lookups if f.failed] == [f"{HOME}/.bashrc: line 3: broken"]
    assert len(world.shell.asked) == 2
    world.tree.write(f"{HOME}/.bashrc", "/two/app")
    assert not any(lookup.failed for lookup in world.find().lookups)


def test_a_configured_file_must_say_something(world: World) -> None:
    """A wrong path or a file without GAUSSHOME is a failure, and the next place is asked."""
    world.proc.add(7, "om_monitor", GAUSSHOME="/running/app")
    found = world.find(env_file="/nowhere.env")
    assert _tells(found)[0] == "/running/app"
    assert [(f.origin, f.state) for f in found.lookups if f.failed] == [
        ("/nowhere.env", FactState.MISSING)
    ]
    world.tree.write(ENV_FILE, "")
    found = world.find(env_file=ENV_FILE)
    assert _tells(found)[0] == "/running/app"
    assert [(f.state, f.detail) for f in found.lookups if f.failed] == [
        (FactState.NOT_UNDERSTOOD, "sets no GAUSSHOME")
    ]


def test_an_ended_process_is_remembered(world: World) -> None:
    """A cluster that is stopped is still the same installation."""
    world.proc.add(7, "cm_agent", GAUSSHOME="/running/app")
    world.find()
    world.proc.end(7)
    assert _tells(world.find()) == ("/running/app", "process 7 (cm_agent), which has ended")
    world.proc.add(9, "cm_agent", GAUSSHOME="/moved/app")
    assert _tells(world.find()) == ("/moved/app", "process 9 (cm_agent)")


def test_the_configured_installation_is_told_from_another_of_the_same_user(world: World) -> None:
    """Processes of another GAUSSHOME do not speak for this one."""
    world.proc.add(7, "om_monitor", GAUSSHOME="/other/app", GAUSSLOG="/other/log")
    world.proc.add(8, "cm_agent", GAUSSHOME="/this/app", GAUSSLOG="/this/log")
    assert world.find(gausshome="/this/app").variables["GAUSSLOG"] == "/this/log"


def test_below_another_root_bash_is_not_asked(tmp_path: Path) -> None:
    """It would see our files, not the host's."""
    tree = Tree(tmp_path / "root")
    tree.write(f"{HOME}/.bashrc", "/app")
    processes = FakeProc(tmp_path / "proc").reader()
    search = EnvironmentSearch(HostFiles(tree.root), processes, None, {})
    found = search.find(InstallationHints(), US)
    assert found.variables == {}
    assert found.lookups[0].detail == "not evaluated below another root"


def test_an_unreadable_crontab_is_no_failure(world: World) -> None:
    """An ordinary user may not read the spool; that is told, and nothing more."""
    world.tree.write("/var/spool/cron/omm/is-a-directory", "")
    found = world.find()
    assert not any(lookup.failed for lookup in found.lookups)
    assert "/var/spool/cron/omm" in [lookup.origin for lookup in found.lookups]
