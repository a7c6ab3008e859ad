"""Files that come and go while the cluster runs: stop markers and pid files.

They are read at every look, unlike the rest of the installation.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Optional

from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.host.files import HostFiles
from exporter.installation.facts import NO_UID, Installation, StopMarker
from exporter.installation.text_files import parse_pid_file
from exporter.ports.facts import ClusterIdentity, PidFile

MAX_MARKERS = 64
_MARKER = re.compile(
    r"(?P<node>cluster_manual_(?:start|pause))"
    r"|(?P<instance>instance_manual_start)_(?P<id>[0-9]{1,10})"
)
_PID_FILE_BYTES = 4096
_NANOSECONDS = 1e9


def read_markers(files: HostFiles, gausshome: str) -> tuple[StopMarker, ...]:
    """List the markers in ``$GAUSSHOME/bin`` (CM cm_ctl and cm_agent make and remove them).

    Raises SourceError when the directory cannot be listed; none when there is none.
    ``cluster_manual_starting`` is a start, and not listed.
    """
    directory = posixpath.join(gausshome, "bin")
    try:
        names = files.names(directory) if gausshome else []
    except MissingFileError:
        return ()
    found = (_marker(files, directory, name) for name in names)
    return tuple(marker for marker in found if marker)[:MAX_MARKERS]


def _marker(files: HostFiles, directory: str, name: str) -> Optional[StopMarker]:
    match = _MARKER.fullmatch(name)
    look = files.fingerprint(posixpath.join(directory, name)) if match else None
    if match is None or look is None:  # no marker, or gone since it was listed
        return None
    word = match["node"] or match["instance"]
    return StopMarker(word, match["id"] or "", look.mtime_ns / _NANOSECONDS)


def read_identity(files: HostFiles, installation: Installation) -> ClusterIdentity:
    """Tell what makes a process one of this cluster's, with the pid files as they are now.

    Raises SourceError while the cluster's user is not known: whoever holds a port would look like
    a stranger.
    """
    if installation.uid == NO_UID:
        raise SourceError(f"the cluster's OS user {installation.user!r} is not known")
    return ClusterIdentity(
        uid=installation.uid,
        user=installation.user,
        gausshome=installation.gausshome or None,
        app_dirs=installation.app_dirs,
        pid_files=tuple(_pid_files(files, installation)),
    )


def _pid_files(files: HostFiles, installation: Installation) -> Iterator[PidFile]:
    for component, instance_id, path in _pid_paths(installation):
        try:
            pid = parse_pid_file(files.text(path, _PID_FILE_BYTES), path)
        except (SourceError, ParseError):  # not started yet, just being written, not ours to read
            continue
        look = files.fingerprint(path)
        if look is not None:
            yield PidFile(component, instance_id, pid, look.mtime_ns / _NANOSECONDS)


def _pid_paths(installation: Installation) -> Iterator[tuple[str, str, str]]:
    node = installation.node
    if node is not None and node.has_cm:
        agent = posixpath.join(node.cm_dir, "cm_agent", "cm_agent.pid")
        yield "cm_agent", str(node.cm_agent.instance_id), agent
        if node.cm_server is not None:
            server = posixpath.join(node.cm_dir, "cm_server", "cm_server.pid")
            yield "cm_server", str(node.cm_server.instance_id), server
    for datanode in installation.datanodes:
        number = str(datanode.installed.instance_id)
        yield "datanode", number, posixpath.join(datanode.data_dir, "postmaster.pid")
