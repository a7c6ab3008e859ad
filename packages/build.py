"""Builds what is released: wheel, sdist, .deb, .rpm and their bill; same commit, same bytes.

``python -m packages.build [--python 3.11] [--machine x86_64] [--output dist]``. The .deb and the
.rpm hold the wheel and, from the lock file, the wheels of its dependencies for that Python and
machine; no other machine is needed to build for it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from exporter import __version__
from packages import layout, sbom
from packages.layout import Target
from tests.support.programs import find_program

ROOT = Path(__file__).resolve().parent.parent
_MANYLINUX = ("manylinux2014", "manylinux_2_17", "manylinux_2_24", "manylinux_2_28")
# pip's notes on how and from where it installed; what is in them differs from build to build
_NOTES_OF_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def main() -> int:
    """Build everything; prints the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="{}.{}".format(*sys.version_info[:2]))
    parser.add_argument("--machine", default=platform.machine(), choices=("x86_64", "aarch64"))
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    arguments = parser.parse_args()
    for built in build(Target(arguments.python, arguments.machine), arguments.output):
        print(built)
    return 0


def build(target: Target, output: Path) -> Iterator[Path]:
    """Build wheel, sdist, .deb, .rpm and their bill of materials into a directory and name them.

    Raises FileNotFoundError for a program that is missing, naming its package.
    """
    output.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _commit_time()}
    wheel, sdist = python_packages(output, environment)
    yield from (wheel, sdist)
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "tree"
        stage(tree, wheel, target)
        bill = f"{layout.NAME}-{__version__}-py{target.python}-{target.machine}.cdx.json"
        yield Path(shutil.copy(tree / layout.BILL, output / bill))
        _settle_times(tree, int(environment["SOURCE_DATE_EPOCH"]))
        yield rpm(tree, target, output, environment)
        yield deb(tree, target, output, environment)


def python_packages(output: Path, environment: dict[str, str]) -> tuple[Path, Path]:
    """Build wheel and sdist with the build back-end of this environment."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(ROOT)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    stem = f"opengauss_cm_exporter-{__version__}"
    return output / f"{stem}-py3-none-any.whl", output / f"{stem}.tar.gz"


def stage(tree: Path, wheel: Path, target: Target) -> None:
    """Lay out the files as they will lie on the machine."""
    library = tree / layout.LIBRARY
    report = install_locked(library, target)
    _pip("install", "--target", str(library), "--no-deps", "--no-compile", str(wheel))
    bill = tree / layout.BILL
    bill.parent.mkdir(parents=True)
    bill.write_text(sbom.bill(report, distributions(path=[str(library)])), encoding="utf-8")
    shutil.rmtree(library / "bin")  # commands of libraries, and ours with this machine's Python
    for name in _NOTES_OF_PIP:
        for file in library.glob(f"*.dist-info/{name}"):
            file.unlink()
    for source, goal in layout.FILES.items():
        _copy(ROOT / source, tree / goal)
    launcher = tree / layout.COMMAND
    launcher.parent.mkdir(parents=True)
    launcher.write_text(layout.LAUNCHER, encoding="utf-8")
    for path in tree.rglob("*"):
        runs = path.is_dir() or path == launcher
        path.chmod(0o755 if runs else 0o644)


def install_locked(library: Path, target: Target) -> Any:  # noqa: ANN401 -- pip's own JSON
    """Put the locked dependencies there, from wheels alone; returns pip's report of it.

    Raises CalledProcessError where one has no wheel for the target, or another hash.
    """
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        words = ["--no-compile", f"--target={library}", f"--report={report}"]
        _pip("install", *words, *_from_wheels(target), *_locked(target))
        return json.loads(report.read_text(encoding="utf-8"))


def download(directory: Path, target: Target) -> None:
    """Put all wheels there that installing this source needs: locked ones, and the back-end's.

    Raises CalledProcessError as above.
    """
    _pip("download", *_from_wheels(target), *_locked(target), "--dest", str(directory))
    back_end = re.findall(r'(?m)^requires = \["(.+)"\]$', (ROOT / "pyproject.toml").read_text())
    _pip("download", *_from_wheels(target), "--dest", str(directory), *back_end)


def _from_wheels(target: Target) -> list[str]:
    platforms = [f"--platform={each}_{target.machine}" for each in _MANYLINUX]
    return ["--only-binary=:all:", f"--python-version={target.python}", *platforms]


def _locked(target: Target) -> list[str]:
    lock = ROOT / "requirements" / f"py{target.python}.txt"
    return ["--require-hashes", "--no-deps", f"--requirement={lock}"]


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True)


def _copy(source: Path, goal: Path) -> None:
    goal.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, goal)
    else:
        shutil.copyfile(source, goal)


def _settle_times(tree: Path, moment: int) -> None:
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (moment, moment))


def deb(tree: Path, target: Target, output: Path, environment: dict[str, str]) -> Path:
    """Pack the tree, which gets a directory DEBIAN, for dpkg."""
    kibibytes = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file()) // 1024
    control = tree / "DEBIAN"
    control.mkdir(mode=0o755)
    (control / "control").write_text(layout.debian_control(__version__, target, kibibytes))
    (control / "conffiles").write_text("".join(f"/{path}\n" for path in layout.CONFIG_FILES))
    for name, text in layout.debian_scripts().items():
        (control / name).write_text(text)
        (control / name).chmod(0o755)
    _settle_times(control, int(environment["SOURCE_DATE_EPOCH"]))
    built = output / f"{layout.NAME}_{__version__}_{target.debian_architecture}.deb"
    command = [find_program("dpkg-deb", package="dpkg"), "--root-owner-group", "-Zxz", "--build"]
    _run([*command, str(tree), str(built)], environment)
    return built


def rpm(tree: Path, target: Target, output: Path, environment: dict[str, str]) -> Path:
    """Pack the tree for rpm."""
    with tempfile.TemporaryDirectory() as directory:
        spec = Path(directory) / f"{layout.NAME}.spec"
        spec.write_text(layout.rpm_spec(__version__, target, str(tree)), encoding="utf-8")
        command = [
            find_program("rpmbuild", package="rpm"),
            "-bb",
            f"--target={target.machine}-linux",
        ]
        _run([*command, f"--define=_topdir {directory}", str(spec)], environment)
        (found,) = Path(directory).glob("RPMS/*/*.rpm")
        return Path(shutil.move(str(found), output / found.name))


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _commit_time() -> str:
    """Return the time of the last commit, which stands in every file of the packages."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
