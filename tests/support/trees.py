"""Made installation trees below a directory that stands for the host's root."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Optional, Union

from exporter.host.command import Account
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from exporter.installation.static_config import StaticConfig
from tests.support.static_config_writer import make_cluster, write_static_config

APP = "/opt/huawei/install/app"
HOME = "/home/omm"
ENV_FILE = f"{HOME}/cluster.env"
DATA = "/opt/huawei/install/data/dn"
CM = "/opt/huawei/install/cm"
UID = os.getuid() or 1000
"""The cluster's user in a FakeProc: ourselves, or somebody who is not root."""

US = Account("omm", UID, UID, (UID,), HOME)

POSTGRESQL_CONF = """\
listen_addresses = 'localhost,10.77.0.1'
port = 15400
replconninfo1 = 'localhost=10.77.0.1 localport=15401 localheartbeatport=15405 remotehost=10.77.0.2'
log_directory = 'pg_log'
"""


class Tree:
    """An installation of one node below ``root``; paths are the host's own."""

    def __init__(self, root: Path, static: Optional[StaticConfig] = None) -> None:
        self.root = root
        self.static = static or make_cluster(["10.77.0.1", "10.77.0.2"])
        self.release("app_1")
        self.write_static(self.static)
        self.write(f"{CM}/cm_agent/cm_agent.conf", "agent_rhb_interval = 1000\n")
        self.write(f"{CM}/cm_server/cm_server.conf", "ddb_type = 1 # dcc\n")
        self.write(f"{DATA}/postgresql.conf", POSTGRESQL_CONF)
        self.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")

    def release(self, name: str) -> None:
        """Point the app link to a release's directory, which is made if it is not there."""
        link = self.path(APP)
        (link.parent / name / "bin").mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/opt/huawei/install/{name}")

    def path(self, path: str) -> Path:
        """Return where a path of the host is; links are not followed."""
        return self.root / path.lstrip("/")

    def write(self, path: str, content: Union[str, bytes]) -> None:
        """Write a file of the host."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        file.write_bytes(data)

    def write_static(self, static: StaticConfig, node_id: int = 1, release: str = "app_1") -> None:
        """Write the topology into a release, as it lies on one node."""
        data = write_static_config(replace(static, local_node_id=node_id))
        self.write(f"/opt/huawei/install/{release}/bin/cluster_static_config", data)

    def crontab(self, line: str) -> None:
        """Write the crontab of the cluster's user."""
        self.write("/var/spool/cron/omm", line)


class FakeProc:
    """A proc file system of which only what is looked at exists."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        (root / "stat").write_text("btime 1795348701\n")

    def reader(self) -> ProcessReader:
        """Make what reads these processes."""
        return ProcessReader(Procfs(self.root), UserNames(Path("/"), lambda: 0.0), lambda: 0.0)

    def add(self, pid: int, program: str, start: int = 100, **environ: str) -> None:
        """Let a process run."""
        directory = self.root / str(pid)
        directory.mkdir()
        (directory / "comm").write_text(f"{program[:15]}\n")
        (directory / "exe").symlink_to(f"{APP}/bin/{program}")
        fields = " ".join(["S", *["0"] * 18, str(start), *["0"] * 30])
        (directory / "stat").write_text(f"{pid} ({program[:15]}) {fields}\n")
        pairs = [f"{name}={value}\0" for name, value in environ.items()]
        (directory / "environ").write_text("".join(pairs))
        if os.getuid() == 0:
            os.chown(directory, UID, UID)

    def end(self, pid: int) -> None:
        """Let a process end."""
        directory = self.root / str(pid)
        for file in directory.iterdir():
            file.unlink()
        directory.rmdir()
