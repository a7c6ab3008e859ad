"""The bill of materials names everything that a package brings. ``make packages``."""

from __future__ import annotations

import json
import re
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest

from packages.build import ROOT, install_locked
from packages.layout import Target
from packages.sbom import NAME, bill


class Installed(Distribution):
    """A package with the headers that a test gives it."""

    def __init__(self, name: str, *headers: tuple[str, str]) -> None:
        self._message = Message()
        for key, value in (("Name", name), ("Version", "1.0"), *headers):
            self._message[key] = value

    @property
    def metadata(self) -> Any:  # noqa: ANN401 -- as the library declares it, by version of Python
        """The headers."""
        return self._message

    def read_text(self, filename: str) -> str:
        """Have no file."""
        raise FileNotFoundError(filename)

    def locate_file(self, path: Any) -> Path:  # noqa: ANN401 -- as above
        """Lie nowhere."""
        raise FileNotFoundError(path)


OWN = Installed(NAME, ("License-Expression", "Apache-2.0"))


def _report(*names: str) -> dict[str, Any]:
    archive = {"archive_info": {"hashes": {"sha256": "ab" * 32}}}
    return {"install": [{"metadata": {"name": name}, "download_info": archive} for name in names]}


def _licences(*headers: tuple[str, str]) -> list[dict[str, Any]]:
    written = json.loads(bill(_report("A_b"), [OWN, Installed("A_b", *headers)]))
    (component,) = written["components"]
    found: list[dict[str, Any]] = component["licenses"]
    return found


def test_a_licence_is_the_packages_own_word() -> None:
    """An expression is one, classifiers are names, and both of two are told."""
    kind = "License :: OSI Approved :: "
    assert _licences(("License-Expression", "MIT")) == [{"expression": "MIT"}]
    assert _licences(("Classifier", f"{kind}X"), ("Classifier", f"{kind}Y")) == [
        {"license": {"name": "X or Y"}}
    ]
    assert _licences(("License", "X 2.0")) == [{"license": {"name": "X 2.0"}}]


def test_a_package_without_a_licence_is_told() -> None:
    """Nobody ships what may not be shipped without noticing."""
    with pytest.raises(LookupError, match="A_b tells no licence"):
        _licences(("Classifier", "Topic :: Database"), ("License", "Permission is\n hereby"))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_each_locked_dependency_has_version_licence_and_hash(
    version: str, machine: str, tmp_path: Path
) -> None:
    """What the lock file pins is in the bill, with a licence and a hash that the file allows."""
    report = install_locked(tmp_path, Target(version, machine))
    lock = (ROOT / "requirements" / f"py{version}.txt").read_text(encoding="utf-8")
    written = json.loads(bill(report, [OWN, *distributions(path=[str(tmp_path)])]))
    assert written["metadata"]["component"]["licenses"] == [{"expression": "Apache-2.0"}]
    pinned = {}
    for entry in re.split(r"(?m)^(?=\S)", lock)[1:]:
        name, _, rest = entry.partition("==")
        pinned[f"pkg:pypi/{name}@{rest.split()[0]}"] = entry
    found = {each["purl"]: each for each in written["components"]}
    assert set(found) == set(pinned)
    for purl, component in found.items():
        assert f"sha256:{component['hashes'][0]['content']}" in pinned[purl]
        assert component["licenses"]
    assert written["dependencies"] == [{"ref": NAME, "dependsOn": sorted(found)}]
