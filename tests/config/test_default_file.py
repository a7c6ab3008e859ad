"""The annotated file that is shipped."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from exporter.config import Config, EndpointConfig, LogSource, load_config, parse_config
from exporter.config.schema import Signature
from tests.support.config_text import plain

_FILE = Path(__file__).resolve().parents[2] / "config" / "exporter.yml"


def test_the_shipped_file_is_the_defaults() -> None:
    """Reading the shipped file gives what holds without a file."""
    assert load_config(_FILE) == Config() == load_config(None)


def test_the_shipped_file_shows_every_key() -> None:
    """Every key stands in the shipped file, with its default as value."""
    assert yaml.safe_load(_FILE.read_text(encoding="utf-8")) == plain(Config())


@pytest.mark.parametrize("item", [EndpointConfig, LogSource, Signature])
def test_the_examples_show_every_key_of_a_list(item: type) -> None:
    """The commented examples name each key that an item of a list takes."""
    comments = [
        line.strip().lstrip("#- ").split(":")[0]
        for line in _FILE.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("#")
    ]
    assert {field.name for field in dataclasses.fields(item)} <= set(comments)


def test_the_examples_are_valid() -> None:
    """With its examples switched on, the shipped file is still a valid configuration."""
    text = _FILE.read_text(encoding="utf-8")
    for key in ("endpoints", "sources", "signatures"):
        text = text.replace(f"{key}: []\n", f"{key}:\n")
    lines = [
        line.replace("#  ", "  ", 1) if line.strip().startswith("#  ") else line
        for line in text.splitlines()
        if not line.startswith("#   opengauss")
    ]
    config = parse_config("\n".join(lines).encode(), "examples")
    assert len(config.endpoints) == len(config.logs.sources) == len(config.logs.signatures) == 1
