"""A log in which a known number of records stands, and what the exporter counted of them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Optional

RECORD = "{} tid=4711 cm_agent LOG: chaos number {}\n"


class Log:
    """One log file, followed by an exporter whose state is kept beside it, or elsewhere."""

    def __init__(self, directory: Path, state: Optional[Path] = None) -> None:
        self.written = 0
        self.state = (state or directory) / "state" / "positions.json"
        self._file = directory / "cm_agent-current.log"
        self._file.write_text("", encoding="utf-8")

    def write(self, records: int = 1) -> None:
        """Add records of this moment."""
        with self._file.open("a", encoding="utf-8") as file:
            for _ in range(records):
                self.written += 1
                now = datetime.now().astimezone()
                stamp = now.strftime("%Y-%m-%d %H:%M:%S.") + f"{now.microsecond // 1000:03}"
                file.write(RECORD.format(stamp, self.written))

    @property
    def config(self) -> str:
        """The exporter's configuration: this log, and one signature that finds its records."""
        signature = {"id": "chaos", "sources": ["cm_agent"], "pattern": "chaos number"}
        logs = {
            "sources": [{"source": "cm_agent", "paths": [str(self._file)]}],
            "signatures": [signature],
            "state_file": str(self.state),
        }
        return json.dumps({"logs": logs})


def counted(page: str) -> int:
    """Read how many records of that log an exporter has counted."""
    name = 'opengauss_log_signature_matches_total{signature="chaos",source="cm_agent"}'
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return int(float(found[1])) if found else -1
