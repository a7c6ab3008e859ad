"""What is released can be built twice alike, installed, run and removed. ``make packages``."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from exporter import __version__
from packages import layout
from packages.build import ROOT, build, install_locked
from packages.debian import Root, base
from packages.layout import Target
from tests.support.programs import find_program

DEBIANS_PYTHON = "3.11"
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


def _built(directory: Path, target: Target) -> dict[str, Path]:
    return {path.suffix: path for path in build(target, directory)}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Everything that is released, by suffix, for Debian's Python."""
    target = Target(DEBIANS_PYTHON, platform.machine())
    return _built(tmp_path_factory.mktemp("dist"), target)


@pytest.fixture
def debian(tmp_path: Path) -> Root:
    """A plain Debian with Python; as root only, for that is what installs packages."""
    cache = ROOT / "build/debian"
    cache.mkdir(parents=True, exist_ok=True)
    return Root(tmp_path, base(cache))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_two_builds_give_the_same_bytes(built: dict[str, Path], tmp_path: Path) -> None:
    """Who builds the same commit again can tell that nothing else went into the packages."""
    again = _built(tmp_path, Target(DEBIANS_PYTHON, platform.machine()))
    assert {s: _sha256(p) for s, p in again.items()} == {s: _sha256(p) for s, p in built.items()}


def test_a_package_for_another_machine_is_built_here(tmp_path: Path) -> None:
    """The .rpm of an openEuler on aarch64 holds libraries of that machine and Python."""
    rpm = _built(tmp_path, Target("3.9", "aarch64"))[".rpm"]
    command = [find_program("rpm", package="rpm"), "-qp", "--requires", "--list", str(rpm)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert {"python3 >= 3.9", "python3 < 3.10"} <= set(told.splitlines())
    assert "_re2.cpython-39-aarch64-linux-gnu.so" in told
    assert "x86_64" not in told


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("version", PYTHONS)
def test_every_dependency_has_a_wheel(version: str, machine: str, tmp_path: Path) -> None:
    """Nobody needs a compiler: the lock file of each Python is met by wheels for both machines."""
    install_locked(tmp_path, Target(version, machine))
    assert (tmp_path / "prometheus_client").is_dir()


def _python(version: str) -> str:
    """Find a Python that runs: a version manager may have the command of one that does not."""
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "--version"], check=False).returncode != 0:
        pytest.fail(
            f"python{version} is not on PATH, or does not run: install it. With pyenv:"
            " PYENV_VERSION=$(pyenv versions --bare | paste -sd:) make packages"
        )
    return python


@pytest.mark.parametrize("version", PYTHONS)
def test_the_locked_wheels_give_a_page(
    version: str, built: dict[str, Path], tmp_path: Path
) -> None:
    """In an empty environment of each Python, lock file and wheel are enough for a page."""
    subprocess.run([_python(version), "-m", "venv", str(tmp_path)], check=True)
    pip = [str(tmp_path / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    lock = ROOT / f"requirements/py{version}.txt"
    subprocess.run([*pip, "--require-hashes", "--requirement", str(lock)], check=True)
    subprocess.run([*pip, "--no-deps", str(built[".whl"])], check=True)
    command = [str(tmp_path / "bin" / layout.NAME), "once"]
    page = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "opengauss_node_info{" in page.stdout, page.stderr


def test_the_deb_installs_runs_and_goes_without_a_trace(
    built: dict[str, Path], debian: Root
) -> None:
    """On a plain Debian: dpkg installs it, it gives a page, and purging leaves nothing."""
    before = debian.files()
    shutil.copy(built[".deb"], debian.directory / "tmp/exporter.deb")
    done = debian.run("dpkg", "--install", "/tmp/exporter.deb")  # noqa: S108 -- in the new root
    assert done.returncode == 0, done.stderr
    assert debian.run(layout.NAME, "--version").stdout.startswith(f"{layout.NAME}, version")
    config = f"--config.file=/{layout.CONFIG_FILES[0]}"
    page = debian.run(layout.NAME, "once", config)
    assert "opengauss_node_info{" in page.stdout, page.stderr
    done = debian.run("dpkg", "--purge", layout.NAME)
    assert done.returncode == 0, done.stderr
    assert debian.files() == before


def test_the_rpm_holds_what_the_deb_holds(built: dict[str, Path]) -> None:
    """Both packages come from one description."""
    deb = [find_program("dpkg-deb", package="dpkg"), "--contents", str(built[".deb"])]
    lines = subprocess.run(deb, check=True, capture_output=True, text=True).stdout.splitlines()
    in_deb = {line.split()[5].lstrip(".") for line in lines if not line.startswith("d")}
    rpm = [
        find_program("rpm", package="rpm"),
        "-qp",
        "--queryformat",
        "[%{FILEMODES:perms} %{FILENAMES}\n]",
    ]
    told = subprocess.run([*rpm, str(built[".rpm"])], check=True, capture_output=True, text=True)
    listed = (line.split() for line in told.stdout.splitlines())
    assert {path for mode, path in listed if not mode.startswith("d")} == in_deb


def test_the_rpm_installs_and_goes_without_a_trace(built: dict[str, Path], tmp_path: Path) -> None:
    """The program rpm puts its files below an empty root and takes them all away."""
    rpm = [find_program("rpm", package="rpm"), "--root", str(tmp_path), "--nodeps", "--noscripts"]
    subprocess.run([*rpm, "--install", str(built[".rpm"])], check=True)
    launcher = tmp_path / layout.COMMAND
    assert launcher.read_text() == layout.LAUNCHER
    subprocess.run([*rpm, "--erase", layout.NAME], check=True)
    left = [path for path in tmp_path.rglob("*") if layout.NAME in path.name]
    assert left == []


def test_the_version_is_everywhere_the_same(built: dict[str, Path]) -> None:
    """Wheel, sdist, .deb and .rpm carry the package's own version."""
    assert all(__version__ in path.name for path in built.values())
