"""The bill of materials, in CycloneDX: what was installed, with version, licence and hash.

``pip install --report FILE …``, then ``python sbom.py FILE DIRECTORY`` with the directory that pip
has filled. The Dockerfile does so, too, wherefore nothing of this project is imported. What the
base image and the host bring is theirs to tell.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

SPECIFICATION = "1.5"
NAME = "opengauss-cm-exporter"
_CLASSIFIER = "License :: "


def bill(report: Mapping[str, Any], installed: Iterable[Distribution]) -> str:
    """Write the bill of what pip's report lists, for our own package among those installed.

    Raises LookupError for a package that is not installed, or tells no licence, or has no hash.
    """
    metadata = {_plain(each.metadata["Name"]): _headers(each) for each in installed}
    own = metadata[NAME]
    described = [
        _component(metadata[_plain(each["metadata"]["name"])], each["download_info"])
        for each in report["install"]
    ]
    components = sorted(described, key=lambda each: str(each["bom-ref"]))
    about = {"type": "application", "bom-ref": NAME, "name": NAME, "version": own["Version"]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"component": {**about, "licenses": [_licence(own)]}},
        "components": components,
        "dependencies": [{"ref": NAME, "dependsOn": [each["bom-ref"] for each in components]}],
    }
    return json.dumps(document, indent=2) + "\n"


def _component(metadata: Message, download: Mapping[str, Any]) -> dict[str, Any]:
    name, version = metadata["Name"], metadata["Version"]
    address = f"pkg:pypi/{_plain(name)}@{version}"
    digest = download["archive_info"]["hashes"]["sha256"]
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [_licence(metadata)],
        "purl": address,
    }


def _licence(metadata: Message) -> dict[str, Any]:
    """Take the package's own word: an SPDX expression, else what it calls its licence."""
    if expression := metadata["License-Expression"]:
        return {"expression": expression}
    classifiers = [str(each) for each in metadata.get_all("Classifier", [])]
    told = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith(_CLASSIFIER)]
    name = str(metadata["License"] or "")
    if not told and name and "\n" not in name:  # a licence's text is not its name
        told = [name]
    if not told:
        raise LookupError(f"{metadata['Name']} tells no licence")
    return {"license": {"name": " or ".join(told)}}


def _plain(name: str) -> str:
    """Write a name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _headers(installed: Distribution) -> Message:
    """Return the metadata as what it is at run time; its declared type knows fewer methods."""
    metadata: Any = installed.metadata
    assert isinstance(metadata, Message)
    return metadata


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(bill(told, distributions(path=[sys.argv[2]])))
