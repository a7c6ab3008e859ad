"""Bounded reads below a root, and noticing changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import MissingFileError, SourceError
from exporter.host.files import HostFiles, WatchedFiles


def test_absolute_links_mean_the_hosts_paths(tmp_path: Path) -> None:
    """Below another root a link to /b is the host's /b, not ours; ``..`` stays inside."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_text("inside")
    (tmp_path / "a").symlink_to("/b")
    (tmp_path / "up").symlink_to("../../../b")
    files = HostFiles(tmp_path)
    assert files.resolve("/a/file") == "/b/file"
    assert files.text("/a/file") == "inside"
    assert files.text("/up/file") == "inside"
    assert files.text("/../../b/./file") == "inside"
    assert not files.is_own_root


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "", "link"]), max_size=8))
def test_nothing_above_the_root_is_reached(parts: list[str]) -> None:
    """However a path is written, what it resolves to is a plain path below the root."""
    resolved = HostFiles(Path("/nonexistent-root")).resolve("/" + "/".join(parts))
    assert resolved.startswith("/")
    assert not {"..", "."} & set(resolved.split("/"))


def test_our_own_root_is_read_as_the_kernel_reads_it(tmp_path: Path) -> None:
    """Without another root the kernel's own resolution and ours agree."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    files = HostFiles()
    assert files.is_own_root
    assert files.resolve(f"{tmp_path}/link/file") == os.path.realpath(tmp_path / "link" / "file")


def test_a_path_never_begins_where_we_happen_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without a slash before it is the host's all the same, with and without another root."""
    (tmp_path / "file").write_text("ours")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError):
        HostFiles().text("file")
    assert HostFiles().fingerprint("file") is None
    assert HostFiles(tmp_path).text("file") == "ours"


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    """It ends, with a message."""
    (tmp_path / "a").symlink_to("/b")
    (tmp_path / "b").symlink_to("/a")
    with pytest.raises(SourceError, match=r"^/a: too many symbolic links"):
        HostFiles(tmp_path).read("/a")
    assert HostFiles(tmp_path).fingerprint("/a") is None


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    """A pipe would hang, a device never end, a huge file fill the memory: all are refused."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dir").mkdir()
    (tmp_path / "big").write_bytes(b"x" * 101)
    files = HostFiles(tmp_path)
    with pytest.raises(SourceError, match=r"^/pipe: not a regular file"):
        files.read("/pipe")
    with pytest.raises(SourceError, match=r"^/dir: "):
        files.read("/dir")
    with pytest.raises(SourceError, match=r"^/big: longer than 100 bytes"):
        files.read("/big", 100)
    assert files.read("/big", 101) == b"x" * 101


def test_a_missing_file_is_its_own_error(tmp_path: Path) -> None:
    """Missing, and behind a file that is no directory, are told from unreadable."""
    (tmp_path / "file").write_text("")
    files = HostFiles(tmp_path)
    for path in ("/none", "/file/none", "/none/none"):
        with pytest.raises(MissingFileError, match=f"^{path}: "):
            files.read(path)
    with pytest.raises(MissingFileError, match=r"^/none: "):
        files.names("/none")


@pytest.mark.parametrize("change", ["rewrite", "replace", "remove", "appear", "repoint", "listing"])
def test_a_change_of_what_was_looked_at_is_noticed(tmp_path: Path, change: str) -> None:
    """Content, inode, presence, a link's target and a directory's entries all count."""
    (tmp_path / "one").write_text("1")
    (tmp_path / "other").write_text("1")
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "dir").mkdir()
    files = WatchedFiles(tmp_path)
    files.read("/link")
    files.names("/dir")
    files.watch("/later")
    assert not files.changed()
    if change == "rewrite":
        (tmp_path / "one").write_text("22")
    elif change == "replace":
        (tmp_path / "other").replace(tmp_path / "one")
    elif change == "remove":
        (tmp_path / "one").unlink()
    elif change == "appear":
        (tmp_path / "later").write_text("")
    elif change == "repoint":
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("other")
    else:
        (tmp_path / "dir" / "new").write_text("")
    assert files.changed()
    files.forget()
    assert not files.changed()
