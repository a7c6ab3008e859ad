"""Which systemd services a page may advise to stop, because stopping ends the holder and no more.

Everything that cannot be told counts against it.
"""

from __future__ import annotations

import re
from typing import Optional

from exporter.ports.facts import UnitContents

# They carry what does not belong to them: logins, jobs, containers, the system itself.
_CARRIES_OTHERS = re.compile(
    r"(?:cron|atd|anacron|sshd?|docker|containerd|podman|crio|cri-|kubelet|k3s|dbus|user@|session-"
    r"|systemd-|init|libvirtd|lxc)"
)
# openGauss' programs, by the name of their process: of this installation and of any other.
_CLUSTER_PROGRAMS = re.compile(
    r"om_monitor|cm_agent|cm_server|cm_ctl|dssserver|gaussdb|GaussMaster|gs_.*"
)
_SERVICE = re.compile(r"[A-Za-z0-9:_.@\\-]{1,128}\.service")


def may_be_stopped(unit: str, pid: int, contents: Optional[UnitContents]) -> bool:
    """Tell whether ``systemctl stop UNIT`` ends the process and harms nobody else.

    The unit must be a service of system.slice (that is what ``contents`` was read from) that is
    about itself, with the process directly in its group, no groups below it, and no program of an
    openGauss installation in it.
    """
    if contents is None or contents.divided or pid not in contents.pids:
        return False
    if not _SERVICE.fullmatch(unit) or _CARRIES_OTHERS.match(unit):
        return False
    return not any(_CLUSTER_PROGRAMS.fullmatch(name) for name in contents.programs)
