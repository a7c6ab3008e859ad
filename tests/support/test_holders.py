"""The helper that holds sockets does what its words say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.holders import LOOPBACK, READY_WITHIN, Holder, can_listen, copy_interpreter


@pytest.mark.parametrize(
    ("spec", "free"),
    [
        (f"listen,{LOOPBACK},0", False),
        ("listen,0.0.0.0,0", False),
        ("dual,::,0", False),
        ("listen,::,0,v6only", True),
        (f"bound,{LOOPBACK},0,noreuse", False),
        (f"accepted,{LOOPBACK},0", False),
        (f"connection,{LOOPBACK},0,noreuse", False),
        (f"timewait,{LOOPBACK},0,noreuse", False),
    ],
    ids=lambda value: str(value).replace(LOOPBACK, "LOOPBACK"),
)
def test_a_held_port_is_as_free_as_the_kernel_says(spec: str, *, free: bool) -> None:
    """Each kind of holder blocks a real bind on IPv4 loopback, or does not."""
    with Holder(spec) as holder:
        assert can_listen(LOOPBACK, holder.port) is free


def test_a_port_is_free_once_its_holder_is_gone() -> None:
    """Leaving the block ends the helper and every child that inherited its sockets."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        holder.command("fork")
        assert not can_listen(LOOPBACK, holder.port)
    assert can_listen(LOOPBACK, holder.port)


def test_a_patient_holder_takes_the_port_when_it_is_free() -> None:
    """It waits for whoever holds the port, instead of ending with an error."""
    with ThreadPoolExecutor() as pool:
        with Holder(f"listen,{LOOPBACK},0") as first:
            second = pool.submit(Holder, f"bound,{LOOPBACK},{first.port},noreuse,patient")
        with second.result(timeout=READY_WITHIN) as holder:
            assert holder.port == first.port


def test_an_inherited_listener_survives_its_opener() -> None:
    """After ``die`` a forked child still holds the port."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        holder.command("fork")
        holder.command("die")
        holder.process.wait(timeout=10)
        assert not can_listen(LOOPBACK, holder.port)


def test_a_copy_of_the_interpreter_is_another_executable(tmp_path: Path) -> None:
    """The helper runs as the file that it was copied to."""
    exe = copy_interpreter(tmp_path / "bin", "cm_server")
    with Holder(f"listen,{LOOPBACK},0", exe=exe) as holder:
        assert Path(f"/proc/{holder.pid}/exe").resolve() == exe
