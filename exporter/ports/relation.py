"""Whose process is it: own, leftover, sibling, foreign or unidentified."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from posixpath import basename, normpath
from typing import Optional

from exporter.host.facts import Process
from exporter.ports.facts import ClusterIdentity, Endpoint, PidFile, Relation, Socket

_DELETED = " (deleted)"
_COMM_LENGTH = 15  # the kernel cuts a process' name there (TASK_COMM_LEN)
_PROGRAMS = frozenset(
    ("om_monitor", "cm_agent", "cm_server", "cm_ctl", "gaussdb", "dssserver", "gs_ctl")
)
# What a program calls its process where that is not the file's name: earlier gaussdb.
_PROCESS_NAMES = {"GaussMaster": "gaussdb"}
_SERVER = "gaussdb"
# Programs of $GAUSSHOME/bin that are given a data directory and do not serve it; the products
# derived from openGauss have the same ones by other names.
_TOOL = re.compile(r"(?:gs|vb|pg|pw|cm|om)_.*|.*_(?:ctl|initdb|guc)|.*sql|initdb")


class Programs:
    """The processes of the cluster's user by the name of their program, for many endpoints."""

    def __init__(self, processes: Iterable[Process], uid: int) -> None:
        self._by_name: dict[str, list[Process]] = defaultdict(list)
        for process in processes:
            if process.uid == uid:
                name = _program(process.exe, process.name)
                self._by_name[name[:_COMM_LENGTH]].append(process)
                if name != _SERVER and _may_serve(process):
                    self._by_name[_SERVER].append(process)

    def like(self, expected: str) -> Sequence[Process]:
        """Return those whose program may be the expected one, a file name or a path."""
        return self._by_name.get(basename(expected)[:_COMM_LENGTH], ())


def is_opengauss(name: str) -> bool:
    """Tell whether a process of this name may be openGauss', of this installation or another."""
    return name in _PROGRAMS or name in _PROCESS_NAMES or name.startswith("gs_")


def instances(
    endpoint: Endpoint, processes: Iterable[Process], identity: ClusterIdentity
) -> tuple[Process, ...]:
    """Return the processes of the endpoint's component and instance, newest first.

    A child of one of them is left out: a server that starts a program is twice there, for the
    moment between fork and exec.
    """
    same = [p for p in processes if is_instance(endpoint, p, identity)]
    pids = {p.id.pid for p in same}
    alone = (p for p in same if p.parent_pid not in pids)
    return tuple(sorted(alone, key=lambda p: (p.id.start_ticks, p.id.pid), reverse=True))


def instances_of(
    endpoints: Iterable[Endpoint], processes: Iterable[Process], identity: ClusterIdentity
) -> tuple[tuple[Process, ...], ...]:
    """Return for each endpoint the processes of its component and instance, newest first."""
    programs = Programs(processes, identity.uid)
    return tuple(instances(each, programs.like(each.process), identity) for each in endpoints)


def is_instance(endpoint: Endpoint, process: Process, identity: ClusterIdentity) -> bool:
    """Tell whether it is the cluster's user, the component's program and the same instance."""
    return (
        process.uid == identity.uid
        and (_is_program(endpoint.process, process) or _is_server(endpoint, process, identity))
        and _same_instance(endpoint, process, identity)
    )


def relation_of(
    endpoint: Endpoint,
    process: Process,
    identity: ClusterIdentity,
    newest: Optional[Process],
) -> Relation:
    """Tell whose process it is; ``newest`` is the newest process of the endpoint's instance.

    While it is not known who the cluster's user is, nobody can be called foreign.
    """
    if identity.uid < 0:
        return Relation.UNIDENTIFIED
    if is_instance(endpoint, process, identity):
        return _own_or_leftover(endpoint, process, identity, newest)
    if process.uid != identity.uid:
        return Relation.FOREIGN
    if is_of_cluster(process, identity):
        return Relation.SIBLING
    return Relation.FOREIGN if process.exe else Relation.UNIDENTIFIED


def relation_of_unknown(socket: Socket, identity: ClusterIdentity) -> Relation:
    """Tell whose socket it is when no process was found that holds it."""
    if socket.inode == 0 or identity.uid < 0 or socket.uid == identity.uid:
        return Relation.UNIDENTIFIED
    return Relation.FOREIGN


def is_of_cluster(process: Process, identity: ClusterIdentity) -> bool:
    """Tell whether the process is any program of this installation.

    The environment alone proves nothing: every shell of the cluster's user has GAUSSHOME. Where
    no installation is known a program's name and user have to do.
    """
    if process.uid != identity.uid:
        return False
    if _below(process.exe, identity.app_dirs):
        return True
    if program(process) not in _PROGRAMS:
        return False
    return not _installed_elsewhere(process, identity)


def program(process: Process) -> str:
    """Return the file name of the executable; the process' own name where it is hidden."""
    return _program(process.exe, process.name)


def _program(exe: str, name: str) -> str:
    return _path(exe).rpartition("/")[2] if exe else _PROCESS_NAMES.get(name, name)


def _is_program(expected: str, process: Process) -> bool:
    if "/" in expected and process.exe:
        return _path(process.exe) == normpath(expected)
    name = basename(expected)
    return program(process) == (name if process.exe else name[:_COMM_LENGTH])


def _may_serve(process: Process) -> bool:
    """Tell whether it has a data directory, and is none of the tools that are given one, too."""
    return bool(process.exe and process.data_dir) and not _TOOL.fullmatch(program(process))


def _is_server(endpoint: Endpoint, process: Process, identity: ClusterIdentity) -> bool:
    """Tell whether it is the database server of this installation by another file name.

    MogDB, Vastbase, PanWeiDB, GBase 8c and others call it differently, and gaussdb is a link to it
    or absent. It is known by where it lies, $GAUSSHOME/bin, and by the instance's own data
    directory, which every server is started with.
    """
    if endpoint.process != _SERVER or endpoint.data_dir is None or not _may_serve(process):
        return False
    directory = _path(process.exe).rpartition("/")[0]
    return directory in [f"{app}/bin" for app in identity.app_dirs]


def _same_instance(endpoint: Endpoint, process: Process, identity: ClusterIdentity) -> bool:
    if process.data_dir == "":  # gaussdb's helper, in the same installation
        return False
    if endpoint.data_dir is not None and process.data_dir is not None:
        names = (endpoint.data_dir, endpoint.named_dir or endpoint.data_dir)
        return normpath(process.data_dir) in map(normpath, names)
    return not _installed_elsewhere(process, identity)


def _installed_elsewhere(process: Process, identity: ClusterIdentity) -> bool:
    """Tell whether what can be read of the process speaks against this installation."""
    if _below(process.exe, identity.app_dirs):
        return False
    if identity.gausshome is not None and process.gausshome is not None:
        return normpath(process.gausshome) != normpath(identity.gausshome)
    return bool(process.exe and identity.app_dirs)


def _own_or_leftover(
    endpoint: Endpoint, process: Process, identity: ClusterIdentity, newest: Optional[Process]
) -> Relation:
    if newest is not None and newest.id != process.id and not _is_hidden(newest):
        child = process.parent_pid == newest.id.pid
        return Relation.SIBLING if child else Relation.LEFTOVER
    if any(_names_another(file, endpoint, process) for file in identity.pid_files):
        return Relation.LEFTOVER
    return Relation.OWN


def _is_hidden(process: Process) -> bool:
    """Tell whether nothing but name and user speaks for the instance: it may be another's."""
    return not process.exe and process.gausshome is None and process.data_dir is None


def is_named(process: Process, endpoint: Endpoint, identity: ClusterIdentity) -> bool:
    """Tell whether a pid file of the endpoint's instance names the process."""
    return any(_is_about(f, endpoint) and _names(f, process) for f in identity.pid_files)


def _names_another(file: PidFile, endpoint: Endpoint, process: Process) -> bool:
    """Tell whether the pid file is of a later process; an older file is a crash's remains."""
    later = file.written > process.start_time
    return later and _is_about(file, endpoint) and not _names(file, process)


def _is_about(file: PidFile, endpoint: Endpoint) -> bool:
    return (file.component, file.instance_id) == (endpoint.component, endpoint.instance_id)


def _names(file: PidFile, process: Process) -> bool:
    return file.pid in (process.id.pid, process.own_pid)


def _path(exe: str) -> str:
    return exe.removesuffix(_DELETED)


def _below(exe: str, directories: Iterable[str]) -> bool:
    return any(exe.startswith(directory + "/") for directory in directories)
