"""Runs the services of a composition with podman, each by its own command, mounts and network.

Only what the services of docker-compose.yml use is understood; another key is an error.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.programs import find_program, free_port

Service = Mapping[str, Any]
_LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=8192:8192")
_UNDERSTOOD = {
    "cap_add",
    "command",
    "environment",
    "image",
    "init",
    "network_mode",
    "ports",
    "volumes",
    "working_dir",
}


def podman(*words: str) -> str:
    """Run podman and return all that it prints; raises with what it says when it fails."""
    command = [find_program("podman", package="podman runc catatonit"), "--runtime=runc", *words]
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def build(tag: str, lines: Iterable[str], files: Mapping[str, str] | None = None) -> None:
    """Build an image by the lines of a Containerfile; ``files`` are names there and their paths."""
    buildah = find_program("buildah", package="buildah")
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "Containerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name, path in (files or {}).items():
            shutil.copy(path, Path(directory) / name)
        words = ["build", "--isolation=chroot", "--pull-never", "--format=docker", f"--tag={tag}"]
        subprocess.run([buildah, *words, directory], check=True, timeout=900)


class Composition:
    """Services that run, named ``PROJECT-NAME``; ``directory`` is where relative mounts begin.

    Published ports are free ones of this host; ``published`` tells them by the port inside.
    """

    def __init__(self, project: str, directory: Path, extra: Sequence[str] = ()) -> None:
        self._project = project
        self._directory = directory
        self._extra = extra
        self._running: list[str] = []
        self._volumes: set[str] = set()
        self.published: dict[int, int] = {}

    def start(self, name: str, service: Service) -> None:
        """Start a service; those whose network it shares must run."""
        unknown = set(service) - _UNDERSTOOD
        assert not unknown, unknown
        words = ["run", "--detach", f"--name={self._named(name)}", *_LIMITS, *self._extra]
        words += [*self._options(service), service["image"], *service["command"]]
        self._running.append(self._named(name))
        podman(*words)

    def stop(self) -> None:
        """Remove them all, the last that was started first, and their volumes."""
        for name in reversed(self._running):
            podman("rm", "--force", "--ignore", "--time=20", name)
        for volume in self._volumes:
            podman("volume", "rm", "--force", volume)

    def logs(self) -> str:
        """Return what the services wrote, all together."""
        return "".join(podman("logs", name) for name in self._running)

    def _named(self, name: str) -> str:
        return f"{self._project}-{name}"

    def _options(self, service: Service) -> list[str]:
        shared = service.get("network_mode", "").removeprefix("service:")
        words = [f"--network=container:{self._named(shared)}"] if shared else ["--network=bridge"]
        words += ["--init"] if service.get("init") else []
        words += [f"--cap-add={name}" for name in service.get("cap_add", ())]
        words += [f"--workdir={service['working_dir']}"] if "working_dir" in service else []
        words += [f"--env={key}={value}" for key, value in service.get("environment", {}).items()]
        words += [f"--volume={self._volume(each)}" for each in service["volumes"]]
        return words + [f"--publish={self._port(each)}" for each in service.get("ports", ())]

    def _volume(self, written: str) -> str:
        source, inside = written.split(":", 1)
        if source.startswith("."):
            return f"{(self._directory / source).resolve()}:{inside}"
        self._volumes.add(self._named(source))
        return f"{self._named(source)}:{inside}"

    def _port(self, written: str) -> str:
        host, _, inside = written.split(":")
        self.published[int(inside)] = free_port()
        return f"{host}:{self.published[int(inside)]}:{inside}"
