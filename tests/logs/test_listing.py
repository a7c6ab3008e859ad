"""Which files patterns lead to, and what becomes of what cannot be listed."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from exporter.logs.facts import LogErrorReason
from exporter.logs.listing import Listing, LogHost, LogLister, Pattern, Trouble


class CountingHost(LogHost):
    """A host that counts its calls, and fails for a path when told to."""

    def __init__(self, root: Path = Path("/")) -> None:
        super().__init__(root)
        self.calls: Counter[str] = Counter()
        self.faults: dict[str, int] = {}

    def names(self, directory: str) -> list[str]:
        """List, or fail."""
        self.calls["names"] += 1
        self._maybe_fail(directory)
        return super().names(directory)

    def stat(self, path: str) -> os.stat_result:
        """Look, or fail."""
        self.calls["stat"] += 1
        self._maybe_fail(path)
        return super().stat(path)

    def _maybe_fail(self, path: str) -> None:
        if path in self.faults:
            raise OSError(self.faults[path], os.strerror(self.faults[path]))


@pytest.fixture
def host() -> CountingHost:
    """Give a host that counts."""
    return CountingHost()


def _look(lister: LogLister, *paths: object, thorough: bool = True) -> Listing:
    patterns = [Pattern("cm_agent", str(path)) for path in paths]
    return lister.look(patterns, time.time(), thorough=thorough)


def _names(listing: Listing) -> list[str]:
    return [os.path.basename(listed.path) for listed in listing.files]  # noqa: PTH119 -- of a text


def _quiet(directory: Path) -> None:
    """Have a directory look as if nothing had happened in it for a minute."""
    os.utime(directory, (time.time() - 60, time.time() - 60))


def test_files_and_their_archives_match(tmp_path: Path, host: CountingHost) -> None:
    """A pattern finds its files and their compressed forms, and no directory."""
    for name in ("a-1.log", "a-2.log.gz", "b-1.log", "a-1.log.bak"):
        (tmp_path / name).touch()
    (tmp_path / "a-3.log").mkdir()
    listing = _look(LogLister(host), tmp_path / "a-*.log")
    assert _names(listing) == ["a-1.log"]
    assert [listed.path for listed in listing.archives] == [str(tmp_path / "a-2.log.gz")]
    assert (listing.troubles, listing.unreadable) == ([], set())


def test_directories_may_have_patterns(tmp_path: Path, host: CountingHost) -> None:
    """A directory that comes later is found at the next thorough look."""
    lister, pattern = LogLister(host), tmp_path / "pg_log" / "dn_*" / "*.log"
    assert _names(_look(lister, pattern)) == []
    for number in (6001, 6002):
        directory = tmp_path / "pg_log" / f"dn_{number}"
        directory.mkdir(parents=True)
        (directory / f"{number}.log").touch()
    assert _names(_look(lister, pattern)) == ["6001.log", "6002.log"]


def test_directory_that_is_not_there_is_no_trouble(tmp_path: Path, host: CountingHost) -> None:
    """Most installations do not have every log."""
    listing = _look(LogLister(host), tmp_path / "none" / "*.log", tmp_path / "no*" / "*.log")
    assert listing == Listing()


def test_file_that_vanishes_between_listing_and_look(tmp_path: Path, host: CountingHost) -> None:
    """A name that leads nowhere any more is quietly left out."""
    (tmp_path / "a.log").touch()
    (tmp_path / "b.log").symlink_to("nowhere")
    host.faults[str(tmp_path / "a.log")] = errno.ENOENT
    listing = _look(LogLister(host), tmp_path / "*.log")
    assert (listing.files, listing.archives, listing.troubles) == ([], [], [])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, LogErrorReason.PERMISSION_DENIED),
        (errno.ESTALE, LogErrorReason.STALE_HANDLE),
        (errno.EMFILE, LogErrorReason.FD_EXHAUSTED),
        (errno.EIO, LogErrorReason.IO_ERROR),
    ],
)
def test_directory_that_cannot_be_listed(
    tmp_path: Path, host: CountingHost, number: int, reason: LogErrorReason
) -> None:
    """It is told with its reason, and its pattern is known to be in the dark."""
    directory = tmp_path / "dn_1"
    directory.mkdir()
    host.faults[str(directory)] = number
    for pattern in (directory / "*.log", directory / "*" / "*.log"):
        listing = _look(LogLister(host), pattern)
        assert listing.troubles == [Trouble("cm_agent", str(directory), reason)]
        assert listing.unreadable == {Pattern("cm_agent", str(pattern))}


def test_file_that_cannot_be_looked_at_hides_no_other(tmp_path: Path, host: CountingHost) -> None:
    """One trouble costs one file."""
    (tmp_path / "a.log").touch()
    (tmp_path / "b.log").touch()
    host.faults[str(tmp_path / "a.log")] = errno.EACCES
    listing = _look(LogLister(host), tmp_path / "*.log")
    assert _names(listing) == ["b.log"]
    assert [trouble.path for trouble in listing.troubles] == [str(tmp_path / "a.log")]


def test_directory_that_did_not_change_is_not_listed_again(
    tmp_path: Path, host: CountingHost
) -> None:
    """A look at a quiet directory is one stat; a thorough one lists it all the same."""
    (tmp_path / "a.log").touch()
    _quiet(tmp_path)
    lister = LogLister(host)
    first = _look(lister, tmp_path / "*.log", thorough=False)
    host.calls.clear()
    again = _look(lister, tmp_path / "*.log", thorough=False)
    assert (first.changed, again.changed, again.files) == (True, False, first.files)
    assert host.calls == {"stat": 1}
    assert _look(lister, tmp_path / "*.log").changed
    assert host.calls["names"] == 1


def test_archives_of_a_quiet_directory_are_not_looked_at_again(
    tmp_path: Path, host: CountingHost
) -> None:
    """Of thousands of archives a thorough look costs no more than their names."""
    for number in range(50):
        (tmp_path / f"{number}.log.gz").touch()
    _quiet(tmp_path)
    lister = LogLister(host)
    first = _look(lister, tmp_path / "*.log")
    host.calls.clear()
    assert _look(lister, tmp_path / "*.log").archives == first.archives
    assert host.calls == {"stat": 1, "names": 1}
    (tmp_path / "0.log.gz").unlink()
    assert len(_look(lister, tmp_path / "*.log").archives) == 49


def test_directory_that_changed_is_listed_at_once(tmp_path: Path, host: CountingHost) -> None:
    """A new name shows, and so does another directory of the same name."""
    lister, pattern = LogLister(host), tmp_path / "d" / "*.log"
    (tmp_path / "d").mkdir()
    _look(lister, pattern, thorough=False)
    (tmp_path / "d" / "a.log").touch()
    assert _names(_look(lister, pattern, thorough=False)) == ["a.log"]
    (tmp_path / "d").rename(tmp_path / "old")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b.log").touch()
    _quiet(tmp_path / "d")
    assert _names(_look(lister, pattern, thorough=False)) == ["b.log"]


def test_link_that_is_turned_to_another_directory(tmp_path: Path, host: CountingHost) -> None:
    """Paths are resolved anew at every look."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.log").touch()
        _quiet(tmp_path / name)
    link, lister = tmp_path / "current", LogLister(host)
    link.symlink_to("one")
    assert _names(_look(lister, link / "*.log", thorough=False)) == ["one.log"]
    link.unlink()
    link.symlink_to("two")
    assert _names(_look(lister, link / "*.log", thorough=False)) == ["two.log"]


def test_what_is_no_file_is_a_trouble(tmp_path: Path, host: CountingHost) -> None:
    """A pipe in the place of a log is told, and never opened."""
    os.mkfifo(tmp_path / "a.log")
    (trouble,) = _look(LogLister(host), tmp_path / "*.log").troubles
    assert trouble.reason is LogErrorReason.NOT_A_FILE


def test_paths_are_the_hosts_own_below_another_root(tmp_path: Path) -> None:
    """In a container the files are found below the host's root, with links as the host has them."""
    (tmp_path / "data" / "log").mkdir(parents=True)
    (tmp_path / "data" / "log" / "a.log").touch()
    (tmp_path / "log").symlink_to("/data/log")
    listing = _look(LogLister(CountingHost(tmp_path)), "/log/*.log")
    assert [listed.path for listed in listing.files] == ["/log/a.log"]
