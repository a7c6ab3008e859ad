"""The lock files hold what the project asks for, and nothing else is installed by them."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("py*.txt"), key=lambda path: path.name)


def locked(path: Path) -> dict[str, str]:
    """Read the versions of a lock file, by name."""
    return dict(re.findall(r"(?m)^([\w-]+)==(\S+) ", path.read_text(encoding="utf-8")))


def test_every_supported_python_has_a_lock_file() -> None:
    """From the oldest that is supported on, each minor version has its own."""
    assert {path.stem for path in LOCKS} == {f"py3.{minor}" for minor in range(9, 14)}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_file_meets_every_requirement(path: Path) -> None:
    """After a change of a requirement ``make lock`` was run."""
    versions, python = locked(path), path.stem.removeprefix("py")
    asked = [Requirement(text) for text in requires("opengauss-cm-exporter") or ()]
    at_run_time = [r for r in asked if _holds(r, python)]
    assert {"prometheus-client", "pyyaml"} <= {each.name for each in at_run_time}
    for each in at_run_time:
        assert each.specifier.contains(versions[each.name]), each


def _holds(requirement: Requirement, python: str) -> bool:
    where = {"python_version": python, "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(where)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_file_pins_by_hash(path: Path) -> None:
    """Each version has a hash, and no address of a server stands in the file."""
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text)) == len(locked(path))
    assert "://" not in text
