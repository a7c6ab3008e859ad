"""postgresql.conf with its includes."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.host.files import HostFiles
from exporter.installation.installed_files import DatanodeConf
from tests.support.trees import DATA, Tree

CONF = f"{DATA}/postgresql.conf"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An installation."""
    return Tree(tmp_path)


def _port(tree: Tree) -> object:
    return DatanodeConf(HostFiles(tree.root)).read(CONF).port


def test_includes_take_the_place_where_they_stand(tree: Tree) -> None:
    """What follows an include overrides it; what precedes it is overridden."""
    tree.write(CONF, "port = 1\ninclude 'more.conf'\n")
    tree.write(f"{DATA}/more.conf", "port = 2\n")
    assert _port(tree) == 2
    tree.write(CONF, "include 'more.conf'\nport = 1\n")
    assert _port(tree) == 1


def test_includes_are_relative_to_the_file_that_names_them(tree: Tree) -> None:
    """Also from below, by an absolute path, and with a name that is not there but need not be."""
    tree.write(CONF, "include 'sub/a.conf'\ninclude_if_exists 'none.conf'\n")
    tree.write(f"{DATA}/sub/a.conf", "include 'b.conf'\n")
    tree.write(f"{DATA}/sub/b.conf", "include '/etc/og.conf'\n")
    tree.write("/etc/og.conf", "port = 7\n")
    assert _port(tree) == 7


def test_a_directory_is_included_in_the_order_of_names(tree: Tree) -> None:
    """Only names that end in .conf and do not begin with a dot count."""
    tree.write(CONF, "include_dir 'conf.d'\n")
    for name, port in [("10.conf", 10), ("20.conf", 20), (".30.conf", 30), ("40.txt", 40)]:
        tree.write(f"{DATA}/conf.d/{name}", f"port = {port}\n")
    assert _port(tree) == 20


def test_what_alter_system_wrote_counts_most(tree: Tree) -> None:
    """postgresql.auto.conf stands behind everything else."""
    tree.write(f"{DATA}/postgresql.auto.conf", "port = 9\n")
    assert _port(tree) == 9


def test_a_relative_log_directory_is_that_of_the_server(tree: Tree) -> None:
    """The server runs in its data directory."""
    assert DatanodeConf(HostFiles(tree.root)).read(CONF).log_directory == f"{DATA}/pg_log"


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"postgresql.conf": "\ninclude 'x.conf'\n"}, SourceError, "line 2: include: .*x.conf"),
        ({"postgresql.conf": "include ''\n"}, ParseError, "line 1: include: expected a path"),
        ({"postgresql.conf": "include_dir 'x'\n"}, SourceError, "line 1: include_dir: .*/x: "),
        ({"postgresql.conf": "include 'postgresql.conf'\n"}, SourceError, "too many files"),
        (
            {"postgresql.conf": "include 'a.conf'\n", "a.conf": "port = 1\nport =\n"},
            ParseError,
            "a.conf: line 2: expected a name and a value",
        ),
        ({"postgresql.conf": "port = 1\n", "postgresql.auto.conf": "x"}, ParseError, "line 1"),
    ],
)
def test_what_the_server_would_refuse_names_file_and_line(
    tree: Tree, files: dict[str, str], error: type[Exception], message: str
) -> None:
    """Missing includes, loops and syntax errors are told with their place."""
    for name, text in files.items():
        tree.write(f"{DATA}/{name}", text)
    with pytest.raises(error, match=message):
        DatanodeConf(HostFiles(tree.root)).read(CONF)


def test_a_missing_file_is_told_as_missing(tree: Tree) -> None:
    """The file itself not being there is another outcome than one of its includes."""
    tree.path(CONF).unlink()
    with pytest.raises(MissingFileError):
        DatanodeConf(HostFiles(tree.root)).read(CONF)
