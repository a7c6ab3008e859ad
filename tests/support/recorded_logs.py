"""The recorded logs of the real CM, by source."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "cm_cluster"
CM_SOURCES = ("cm_agent", "cm_server", "cm_ctl", "om_monitor", "system_call")


def recorded(source: str) -> list[Path]:
    """List the recorded files of a source; an error if there is none."""
    found = sorted(SAMPLES.glob(f"*/node*/log/**/{source}-*.log"))
    if not found:
        raise FileNotFoundError(f"no recorded log of {source} below {SAMPLES}")
    return found
