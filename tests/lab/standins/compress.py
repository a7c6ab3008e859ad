"""What cm_agent does with finished logs: once an interval they become .gz."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

_DEFAULT_SECONDS = 1800


def for_ever(gausslog: Path, conf: Path) -> None:
    """Compress once an interval of cm_agent.conf; never, when it is switched off there."""
    settings = _settings(conf)
    if settings.get("enable_log_compress") != "on":
        return
    interval = int(settings.get("log_threshold_check_interval", _DEFAULT_SECONDS))
    while True:
        time.sleep(interval)
        compress_finished(gausslog)


def compress_finished(gausslog: Path) -> None:
    """Replace every rotated log below $GAUSSLOG/cm by its .gz, which nobody else may read."""
    for path in gausslog.glob("cm/*/*-*.log"):
        if not path.name.endswith("-current.log"):
            packed = path.with_name(f"{path.name}.gz")
            packed.write_bytes(gzip.compress(path.read_bytes()))
            packed.chmod(0o600)
            path.unlink()


def _settings(conf: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in conf.read_text(encoding="utf-8").splitlines())
    return {name.strip(): value.split("#")[0].strip() for name, _, value in pairs if value}
