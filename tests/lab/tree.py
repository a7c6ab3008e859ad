"""Write one node's installation as OM leaves it: directories, modes, environment, configuration."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from exporter.installation.static_config import (
    StaticCmAgent,
    StaticCmServer,
    StaticConfig,
    StaticDatanode,
    StaticNode,
    StaticPeer,
)
from tests.lab import interpreter
from tests.lab.standins.launch import CODE
from tests.lab.standins.plan import RELEASE, LabPlan, NodePlan
from tests.support.static_config_writer import write_static_config

_CREATED = 1795348701
_PAST_SECONDS = 600


def write_tree(plan: LabPlan, node: NodePlan, python: Path, user: str) -> None:
    """Write everything of one node below its root."""
    for directory in _directories(plan, node):
        directory.mkdir(parents=True, exist_ok=True)
    node.gausshome.symlink_to(RELEASE)
    node.gausslog.chmod(0o700)
    node.data.chmod(0o700)
    interpreter.install(python, node.install / RELEASE, node.server)
    if plan.has_cm:
        _write(node.bin / "cm_ctl", _cm_ctl(plan, node, python), 0o755)
    static = write_static_config(replace(static_config(plan), local_node_id=node.node_id))
    (node.bin / "cluster_static_config").write_bytes(static)
    (node.bin / "cluster_static_config").chmod(0o750)
    _write(node.env_file, _env_file(plan, node, user), 0o600)
    write_configuration(plan, node)
    if plan.has_cm:
        _write_past(node)


def _write_past(node: NodePlan) -> None:
    """Let cm_agent's log begin ten minutes ago, with a record that every recording of it has.

    Who made a marker is known only when the log of the two minutes before it was seen.
    """
    began = time.localtime(time.time() - _PAST_SECONDS)
    name = time.strftime("cm_agent-%Y-%m-%d_%H%M%S-current.log", began)
    path = node.log_dir("cm_agent") / name
    for directory in (path.parent.parent, path.parent):
        directory.mkdir(mode=0o700, exist_ok=True)
    record = time.strftime("%Y-%m-%d %H:%M:%S.000 tid=1  LOG: RHB mes init success!\n", began)
    _write(path, record, 0o600)


def write_configuration(plan: LabPlan, node: NodePlan) -> None:
    """Write the text files that say what is bound and where is logged."""
    if plan.has_cm:
        _write(node.cm_dir / "cm_agent/cm_agent.conf", _cm_agent_conf(node), 0o644)
        _write(node.cm_dir / "cm_server/cm_server.conf", _cm_server_conf(plan, node), 0o644)
    _write(node.data / "postgresql.conf", _postgresql_conf(plan, node), 0o600)
    if plan.pooled:
        resources = json.dumps(_resources(plan, node), indent=1)
        _write(node.cm_dir / "cm_agent/cm_resource.json", resources, 0o600)
        _write(node.dss_home / "cfg/dss_inst.ini", _dss_inst(plan, node), 0o600)


def write_code(root: Path) -> None:
    """Copy the stand-ins below the lab's root, where the cluster's user can read them."""
    source = Path(__file__).parent / "standins"
    package = root / CODE / "tests/lab/standins"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(source / "run.py", root / CODE / "run.py")


def environment(plan: LabPlan, node: NodePlan, user: str) -> dict[str, str]:
    """Return what the environment file sets, as om_monitor's processes have it."""
    home, om = node.gausshome, node.install / "om"
    search = f"{home}/bin:{om}/script/gspylib/pssh/bin:{om}/script:/usr/sbin:/usr/bin:/sbin:/bin"
    pooled = {"DSS_HOME": str(node.dss_home)} if plan.pooled else {}
    return {
        "SHELL": "/bin/bash",
        "GAUSSLOG": str(node.gausslog),
        "GAUSSHOME": str(home),
        "PWD": str(node.home),
        "LOGNAME": user,
        "HOME": str(node.home),
        "LANG": "C",
        "GPHOME": str(om),
        "GS_CLUSTER_NAME": plan.cluster_name,
        "GAUSS_ENV": "2",
        "GAUSS_VERSION": "7.0.0-RC3",
        "USER": user,
        "LD_LIBRARY_PATH": f"{home}/lib:{om}/lib",
        "PGHOST": str(node.tmp),
        "PATH": search,
        **pooled,
    }


def static_config(plan: LabPlan) -> StaticConfig:
    """Return the content of cluster_static_config, seen from node 1."""
    nodes = tuple(_static_node(plan, node) for node in plan.nodes)
    return StaticConfig(version=301, created=_CREATED, local_node_id=1, nodes=nodes)


def _static_node(plan: LabPlan, node: NodePlan) -> StaticNode:
    own, number = (node.address,), node.node_id
    role = 0 if node is plan.nodes[0] else 1
    peers = [
        StaticPeer(
            str(peer.data), (peer.address,), peer.db_port + 1, int(peer is not plan.nodes[0])
        )
        for peer in plan.nodes
        if peer is not node
    ]
    ports = (node.cm_port, own, node.cm_port + 1, own)
    server = StaticCmServer(number, 1, *ports, role, peer_ha_port=node.cm_port + 1)
    ports = (node.db_port, own, node.db_port + 1, own)
    data = str(node.data)
    datanode = StaticDatanode(node.dn_id, 1, data, *ports, role, peers=tuple(peers))
    return StaticNode(
        node_id=number,
        name=node.name,
        cm_agent=StaticCmAgent(10000 + number, -3, own),
        az_name="AZ1",
        az_priority=1,
        back_addresses=own,
        ssh_addresses=own,
        cm_dir=str(node.cm_dir) if plan.has_cm else "",
        cm_server=server if plan.has_cm else None,
        datanodes=(datanode,),
    )


def _directories(plan: LabPlan, node: NodePlan) -> list[Path]:
    release = node.install / RELEASE
    found = [release / "bin", release / "lib", node.gausslog]
    found += [node.data, node.tmp, node.home, node.faults]
    if plan.has_cm:
        found += [node.cm_dir / "cm_agent", node.cm_dir / "cm_server"]
        found += [node.log_dir(name) for name in ("cm_agent", "cm_server", "cm_ctl", "om_monitor")]
    return [*found, node.dss_home / "cfg"] if plan.pooled else found


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _cm_ctl(plan: LabPlan, node: NodePlan, python: Path) -> str:
    """Return the script: the one program that needs no process of its own name."""
    return (
        f"#!{python} -SEs\n"
        "import os, sys\n"
        f"sys.path.insert(0, {str(Path(plan.root, CODE))!r})\n"
        "from pathlib import Path\n"
        "from tests.lab.standins import cm_ctl, plan\n"
        f"lab = plan.read_plan(Path({plan.root!r}))\n"
        f"sys.exit(cm_ctl.main(lab, lab.node({node.node_id}), sys.argv[1:]))\n"
    )


def _env_file(plan: LabPlan, node: NodePlan, user: str) -> str:
    kept = {"SHELL", "PWD", "LOGNAME", "HOME", "LANG", "USER"}
    values = environment(plan, node, user).items()
    lines = [f"export {name}={value}\n" for name, value in values if name not in kept]
    return f"export MPPDB_ENV_SEPARATE_PATH={node.env_file}\n{''.join(lines)}umask 077\n"


def _cm_agent_conf(node: NodePlan) -> str:
    return (
        f"log_dir = '{node.log_dir('cm_agent')}'\n"
        "log_file_size = 16MB            # only support MB\n"
        "log_min_messages = WARNING      # log_min_messages.\n"
        "agent_report_interval = 1\t#interval of cm_agent report instance status in sec\n"
        "enable_log_compress          = on\n"
        "log_threshold_check_interval = 1800\n"
        f"unix_socket_directory = '{node.tmp}'\n"
        "voting_disk_path = ''\n"
        "agent_rhb_interval = 1000                 # the heatbeat of cma to cma, unit is ms\n"
        "enable_ssl = off\n"
        "############### must leave a new line at the end ###################\n"
    )


def _cm_server_conf(plan: LabPlan, node: NodePlan) -> str:
    kind, mode = (2, "share_disk") if plan.pooled else (1, "quorum")
    disk = plan.shared_disk if plan.pooled else ""
    return (
        f"log_dir = '{node.log_dir('cm_server')}'\n"
        "log_file_size = 16MB          \t# only support MB\n"
        "log_min_messages = WARNING    \t# log_min_messages.\n"
        "instance_heartbeat_timeout = 6\t\t#timeout of cm_server receive heartbeat in sec\n"
        f"ddb_type = {kind}      # 0 etcd 1 dcc 2 sharedisk\n"
        "enable_ssl = off\n"
        f"share_disk_path = '{disk}'\n"
        f"dn_arbitrate_mode = {mode}\n"
        "############### must leave a new line at the end ###################\n"
    )


def _postgresql_conf(plan: LabPlan, node: NodePlan) -> str:
    peers = [peer for peer in plan.nodes if peer is not node]
    lines = [
        f"listen_addresses = 'localhost,{node.address}'\t\t# what IP address(es) to listen on;\n",
        f"port = {node.db_port}\t\t\t\t# (change requires restart)\n",
        f"unix_socket_directory = '{node.tmp}'\n",
        f"log_directory = '{node.gausslog}/pg_log/dn_{node.dn_id}'\n",
        f"pooler_port = {node.db_port + 1}\n",
    ]
    if plan.pooled:
        urls = ",".join(f"{n.node_id - 1}:{n.address}:{n.db_port + 20}" for n in plan.nodes)
        lines += ["ss_enable_dms = on\n", "ss_enable_dss = on\n"]
        lines += [f"ss_instance_id = {node.node_id - 1}\n", f"ss_interconnect_url = '{urls}'\n"]
    for index, peer in enumerate(() if plan.pooled else peers, start=1):
        own = _replication("local", node.address, node.db_port, plan.localport)
        other = _replication("remote", peer.address, peer.db_port, plan.localport)
        lines.append(f"replconninfo{index} = '{own} {other}'\t\t# replication connection\n")
    return "".join(lines)


def _replication(side: str, address: str, port: int, localport: int) -> str:
    return (
        f"{side}host={address} {side}port={port + localport}"
        f" {side}heartbeatport={port + 5} {side}service={port + 4}"
    )


def _dss_inst(plan: LabPlan, node: NodePlan) -> str:
    nodes = ",".join(f"{n.node_id - 1}:{n.address}:{n.db_port + 10}" for n in plan.nodes)
    return (
        f"INST_ID={node.node_id - 1}\n"
        f"DSS_NODES_LIST={nodes}\n"
        f"LSNR_PATH={node.dss_home}\n"
        "STORAGE_MODE=SHARE_DISK\n"
        "_LOG_LEVEL=7\n"
    )


def _resources(plan: LabPlan, node: NodePlan) -> dict[str, object]:
    common = {
        "check_interval": 1, "time_out": 120, "restart_times": 5,
        "restart_delay": 1, "restart_period": 1,
    }  # fmt: skip
    scripts = f"{node.bin}/dms_contrl.sh", f"{node.bin}/dss_contrl.sh"
    instances = [
        {
            "node_id": peer.node_id,
            "res_instance_id": peer.node_id - 1,
            "res_args": f"{peer.dss_home} {peer.data}",
        }
        for peer in plan.nodes
    ]
    datanode = {"name": "dms_res", "resources_type": "DN", "script": scripts[0], **common}
    disk = {"name": "dss", "resources_type": "APP", "script": scripts[1], **common}
    return {"resources": [datanode, {**disk, "instances": instances}]}


def give_to(root: Path, uid: int) -> None:
    """Make a user the owner of a whole tree; only root can, for another user."""
    for path in (root, *root.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)
