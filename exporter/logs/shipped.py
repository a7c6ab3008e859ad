"""The files that come with the package."""

from __future__ import annotations

from importlib import resources


def shipped_signatures() -> bytes:
    """Return the text of the shipped signatures (config/signatures.yml in the project)."""
    return resources.files("exporter").joinpath("data/signatures.yml").read_bytes()
