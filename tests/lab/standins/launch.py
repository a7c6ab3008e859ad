"""How a stand-in is started: the interpreter under the program's name, and the script it runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from tests.lab.standins.plan import NodePlan

CODE = "py"  # the lab's copy of this package, below its root
_FLAGS = ("-S", "-E", "-s")  # nothing of the user's own Python


def program_command(node: NodePlan, program: str, arguments: Sequence[str]) -> list[str]:
    """Return the argument vector that runs $GAUSSHOME/bin/PROGRAM."""
    script = Path(node.root).parent / CODE / "run.py"
    return [str(node.program(program)), *_FLAGS, str(script), *arguments]


def shell_command(node: NodePlan, program: str, arguments: Sequence[str]) -> str:
    """Return the same for a shell."""
    return shlex.join(program_command(node, program, arguments))
