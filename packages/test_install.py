"""What the documents say to type on a node works there: a plain Debian with systemd running.

Nothing is replaced: the lines are read from the pages and pasted, systemd starts the shipped unit
in its sandbox as the cluster's user. Only pip is told to take its wheels from a directory, for the
node has no network. ``make packages`` runs this, as root.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from packages import layout
from packages.booted import Booted
from packages.build import ROOT, build, download
from packages.debian import HOST_PACKAGES, Root, base
from packages.layout import Target
from tests.support.documents import INSTALLATIONS, asked_of_a_node, shell_block

UNIT = f"{layout.NAME}@omm"
TARGET = Target("3.11", platform.machine())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A started Debian with the cluster's user, a checkout below /src, and wheels for pip."""
    cache = ROOT / "build/debian"
    cache.mkdir(parents=True, exist_ok=True)
    root = Root(tmp_path_factory.mktemp("node"), base(cache, *HOST_PACKAGES))
    source = root.directory / "src"
    source.mkdir()
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in tracked.stdout.decode().split("\0")[:-1]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    download(root.directory / "wheels", TARGET)
    with Booted(root) as booted:
        _done(booted, "useradd --create-home omm")
        yield booted


@pytest.fixture(scope="module")
def deb(node: Booted, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where on the node the package lies."""
    built = [*build(TARGET, tmp_path_factory.mktemp("dist"))]
    (package,) = (path for path in built if path.suffix == ".deb")
    shutil.copy(package, node.root.directory)
    return f"/{package.name}"


def _done(node: Booted, lines: str) -> str:
    """Paste lines into a shell on the node; each must succeed. Returns what they print."""
    done = node.run("sh", "-e", "-c", lines, PIP_NO_INDEX="1", PIP_FIND_LINKS="/wheels")
    assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
    return done.stdout


def _check_the_service(node: Booted) -> None:
    """It runs as the cluster's user, will run after a boot, and gives a page."""
    assert _done(node, f"systemctl is-active {UNIT} && systemctl is-enabled {UNIT}") == (
        "active\nenabled\n"
    )
    pid = _done(node, f"systemctl show --property=MainPID --value {UNIT}").strip()
    assert _done(node, f"stat --format=%U /proc/{pid}") == "omm\n"
    page = _done(node, "curl --silent --fail localhost:19836/metrics")
    assert re.search(r"^opengauss_exporter_build_info\{.*\} 1\.0$", page, re.MULTILINE)


def _check_nothing_is_left(node: Booted, before: set[str]) -> None:
    """Neither a file, nor a unit that systemd knows, nor a process."""
    assert node.root.files() - before == set()
    assert before - node.root.files() == set()
    assert _done(node, f"systemctl list-units --all --plain --no-legend '{layout.NAME}*'") == ""
    assert _done(node, f"find /run /tmp /dev/shm -name '*{layout.NAME}*'") == ""
    assert layout.NAME not in _done(node, "cat /proc/[0-9]*/cmdline")


@pytest.mark.parametrize("page", INSTALLATIONS)
def test_the_pasted_lines_give_a_service_and_take_it_away(node: Booted, page: str) -> None:
    """Installed by a page's lines the service gives a page; by its removal nothing is left."""
    heading, removal = INSTALLATIONS[page]
    before = node.root.files()
    _done(node, f"cd /src\n{shell_block(page, heading)}")
    _check_the_service(node)
    _done(node, f"cd /src\n{shell_block(page, heading, removal)}")
    _check_nothing_is_left(node, before)


def test_the_deb_gives_a_service_and_takes_it_away(node: Booted, deb: str) -> None:
    """Installed by dpkg and enabled the service gives a page; purged, nothing is left."""
    before = node.root.files()
    _done(node, f"dpkg --install {deb} && systemctl enable --now {UNIT}")
    _check_the_service(node)
    questions = asked_of_a_node()
    questions.remove(purge := f"dpkg --purge {layout.NAME}")
    questions.remove(discover := f"sudo -u omm {layout.NAME} discover")
    assert all(_done(node, each) for each in questions)
    done = node.run(*discover.split())
    assert "GAUSSHOME" in done.stdout  # which is missing: nothing of openGauss is there
    assert done.returncode == 1
    _done(node, purge)
    _check_nothing_is_left(node, before)
