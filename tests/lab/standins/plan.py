"""The whole made cluster as plain data: who is where, on which ports, in which directories.

The lab writes it as `lab.json` at its root; every stand-in reads it there. It stands in for what
the real programs compute from cluster_static_config, so that a mistake of the product's own parser
of that file cannot hide in its test bed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "lab.json"
RELEASE = "app_d712af3"


@dataclass(frozen=True)
class NodePlan:
    """One node; `root` is put before every path that the node uses."""

    node_id: int
    name: str
    address: str
    cm_port: int
    db_port: int
    root: str
    server: str = "gaussdb"  # the server's file in bin; derivatives have another

    @property
    def install(self) -> Path:
        """Where OM puts everything."""
        return Path(self.root, "opt/huawei/install")

    @property
    def gausshome(self) -> Path:
        """$GAUSSHOME: a link to the release's directory."""
        return self.install / "app"

    @property
    def bin(self) -> Path:
        """Programs, marker files and the static config."""
        return self.gausshome / "bin"

    @property
    def gausslog(self) -> Path:
        """$GAUSSLOG."""
        return Path(self.root, "var/log/omm/omm")

    @property
    def cm_dir(self) -> Path:
        """The cmDataPath of the static config."""
        return self.install / "cm"

    @property
    def data(self) -> Path:
        """The datanode's directory."""
        return self.install / "data/dn"

    @property
    def dss_home(self) -> Path:
        """$DSS_HOME."""
        return self.install / "dss"

    @property
    def tmp(self) -> Path:
        """$PGHOST: Unix sockets."""
        return Path(self.root, "opt/huawei/tmp")

    @property
    def home(self) -> Path:
        """The cluster user's home."""
        return Path(self.root, "home/omm")

    @property
    def env_file(self) -> Path:
        """MPPDB_ENV_SEPARATE_PATH."""
        return self.home / "cluster.env"

    @property
    def faults(self) -> Path:
        """What the lab makes go wrong on this node: a file for each fault."""
        return Path(self.root, "faults")

    @property
    def dn_id(self) -> int:
        """CM's number of the datanode."""
        return 6000 + self.node_id

    @property
    def resource_id(self) -> int:
        """CM's number of a custom resource's instance on this node."""
        return 20000 + self.node_id

    @property
    def system_call_log(self) -> Path:
        """Where cm_agent sends the output of what it starts."""
        return self.gausslog / "cm/cm_agent/system_call-current.log"

    def program(self, name: str) -> Path:
        """Return the file of a program; the server's may have another name."""
        return self.bin / (self.server if name == "gaussdb" else name)

    def log_dir(self, program: str) -> Path:
        """Return the CM log directory of one program."""
        return self.gausslog / "cm" / program

    def fault(self, name: str) -> str | None:
        """Return the text of a fault that the lab switched on, else None."""
        try:
            return (self.faults / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class LabPlan:
    """The cluster: its nodes, its style, and the seconds after which CM's decisions fall."""

    root: str
    style: str  # dcc | shared_disk | without_cm
    nodes: tuple[NodePlan, ...]
    cluster_name: str = "dbCluster"
    election_seconds: float = 1.0
    arbitration_seconds: float = 2.0
    localport: int = 1  # of replconninfo, counted from P; OM writes P+1

    @property
    def pooled(self) -> bool:
        """Resource pooling: scripts start dssserver and gaussdb, the arbiter is the shared disk."""
        return self.style == "shared_disk"

    @property
    def has_cm(self) -> bool:
        """Whether there is CM at all; without, only gs_om starts a database."""
        return self.style != "without_cm"

    @property
    def heartbeat_port(self) -> int:
        """cm_agent's port on every node: that of the first node with a cm_server, plus two."""
        return self.nodes[0].cm_port + 2

    @property
    def shared_disk(self) -> Path:
        """What all nodes of a shared-disk cluster can lock."""
        return Path(self.root, "shared_disk")

    def server_list(self) -> str:
        """Return the cm_servers as the programs print them when they start."""
        servers = "".join(
            f"[{index} node:{node.node_id}, cmserverId:{node.node_id}, cmServerIndex:{index}], "
            for index, node in enumerate(self.nodes)
        )
        return f"cmserverNum is {len(self.nodes)}, and cmserver info is {servers}."

    def node(self, node_id: int) -> NodePlan:
        """Return the node with that id, or raise KeyError."""
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        raise KeyError(node_id)

    def write(self) -> None:
        """Write lab.json; replaced at once, so that a reader never sees half of it."""
        path = Path(self.root, FILE_NAME)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)


def read_plan(root: Path) -> LabPlan:
    """Read lab.json at a lab's root."""
    fields = json.loads((root / FILE_NAME).read_text(encoding="utf-8"))
    fields["nodes"] = tuple(NodePlan(**node) for node in fields["nodes"])
    return LabPlan(**fields)
