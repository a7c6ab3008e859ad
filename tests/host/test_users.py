"""The cluster's user, looked up."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from exporter.errors import ParseError, SourceError
from exporter.host.command import Account
from exporter.host.files import HostFiles
from exporter.host.users import Accounts, PasswdEntry, find_user, own_user

USERS = """\
root:x:0:0:root:/root:/bin/bash
# note
omm:x:1001:1002::/home/omm:/bin/bash
bad:x:a:b:::
"""
CONTAINER = PasswdEntry("4711", 4711, 4712, "/")


def test_a_line_of_passwd_is_read() -> None:
    """Name, numbers and home; lines that are no entries name nobody."""
    assert find_user(USERS, "omm") == PasswdEntry("omm", 1001, 1002, "/home/omm")
    assert find_user(USERS, "bad") is None
    assert find_user(USERS, "# note") is None
    with pytest.raises(ParseError):
        find_user("x" * (1 << 21), "omm")


def test_our_own_user_is_known() -> None:
    """By name where there is one."""
    own = own_user()
    assert own.uid == os.geteuid()
    assert own.name == pwd.getpwuid(os.geteuid()).pw_name


def test_a_user_of_this_system_is_found() -> None:
    """With all groups, as programs run with them."""
    name = own_user().name
    assert Accounts(HostFiles(), own_user()).find(name) == Account.of(name)
    with pytest.raises(SourceError, match="there is no OS user 'nobody-of-this-name'"):
        Accounts(HostFiles(), own_user()).find("nobody-of-this-name")


def test_a_user_of_another_root_is_found_there(tmp_path: Path) -> None:
    """A container sees the host's users in the host's file."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text(USERS)
    accounts = Accounts(HostFiles(tmp_path), CONTAINER)
    assert accounts.find("omm") == Account("omm", 1001, 1002, (1002,), "/home/omm")
    with pytest.raises(SourceError, match="there is no OS user 'none'"):
        accounts.find("none")


def test_we_vouch_for_ourselves(tmp_path: Path) -> None:
    """A user without any entry still is one; no file is needed for that."""
    own = Account("4711", 4711, 4712, (4712,), "/")
    assert Accounts(HostFiles(tmp_path), CONTAINER).find("4711") == own
    assert Accounts(HostFiles(), CONTAINER).find("4711") == own
