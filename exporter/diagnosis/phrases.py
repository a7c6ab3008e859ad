"""The table of phrases, ``exporter/data/phrases.yml``: what is said, in each language.

A test compares every text with what Prometheus writes from the shipped rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

import yaml


@lru_cache(maxsize=1)
def phrases() -> Mapping[str, Mapping[str, str]]:
    """Return each phrase by its key, in ``en`` and ``zh``; read once, when first asked for."""
    text = resources.files("exporter").joinpath("data/phrases.yml").read_bytes()
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    table: Mapping[str, Mapping[str, str]] = yaml.load(text, Loader=loader)  # noqa: S506 -- safe
    return table
