"""The installation on this node, read anew whenever something that decides has changed."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Callable, Optional

from exporter.config.schema import InstallationHints
from exporter.errors import SourceError
from exporter.host.command import Account
from exporter.host.files import WatchedFiles
from exporter.installation.environment import Environment, EnvironmentSearch
from exporter.installation.facts import CmResource, FactState, Installation, Lookup
from exporter.installation.installed_files import FactStore, InstalledFiles
from exporter.installation.static_config import StaticConfig, StaticNode

MAX_APP_DIRS = 16
CONFIGURED = "configuration"
_TOLD = ("GAUSSHOME", "GAUSSLOG", "DSS_HOME", "GS_CLUSTER_NAME")
_ROOT = "openGauss never runs as root: set installation.user"
_NOWHERE = (
    "Not found in any known location; set installation.user, installation.env_file or"
    " installation.gausshome in the configuration"
)


class InstallationReader:
    """Knows the installation of one cluster user; for one thread.

    ``nothing`` is what holds before the first look: the user, and what the node is called where
    nobody says it. ``account`` looks a user up, and raises SourceError when there is none.
    ``store`` has what an earlier reader of the same installation has left. ``known`` is what the
    last look gave.
    """

    def __init__(
        self,
        hints: InstallationHints,
        nothing: Installation,
        files: WatchedFiles,
        environment: EnvironmentSearch,
        account: Callable[[str], Account],
        store: FactStore,
    ) -> None:
        self._hints = hints
        self._files = files
        self._environment = environment
        self._account = account
        self._store = store
        self._installed = InstalledFiles(files, store)
        self._last: Optional[Environment] = None
        self.known = nothing
        self._default_name = nothing.node_name

    def refresh(self) -> Installation:
        """Return what is known now; what went wrong is in its lookups, and never raised."""
        user = self.known.user
        try:
            account = self._account(user)
        except SourceError as error:
            missing = Lookup("user", user, FactState.MISSING, str(error))
            return replace(self.known, lookups=(missing,))
        environment = self._environment.find(self._hints, account)
        if self._last == environment and not self._files.changed():
            return self.known
        self._files.forget()
        self._store.lookups = []
        if account.uid == 0:
            self._store.note("user", user, FactState.NOT_UNDERSTOOD, _ROOT)
        self._last, self.known = environment, self._read(account, environment)
        return self.known

    def _read(self, account: Account, environment: Environment) -> Installation:
        variables = self._settle(environment)
        static = self._static_config(variables)
        node = self._node(static)
        base = Installation(
            user=account.name,
            uid=account.uid,
            node_name=self._hints.node_name or (node.name if node else self._default_name),
            variables=variables,
            app_dirs=self._resolve_app_dir(variables.get("GAUSSHOME")),
            static=static,
            node_id=node.node_id if node else None,
            hosts=self._installed.hosts(),
        )
        installation = self._read_node(base, node) if node else base
        return replace(installation, lookups=tuple(self._store.lookups))

    def _read_node(self, base: Installation, node: StaticNode) -> Installation:
        resources = self._installed.resources(node)
        dss_home = base.dss_home or _dss_home(resources, node)
        known = {"DSS_HOME": dss_home} if dss_home else {}
        return replace(
            base,
            variables={**base.variables, **known},
            cm_agent=self._installed.cm_agent(node),
            cm_server=self._installed.cm_server(node),
            resources=resources,
            datanodes=tuple(self._installed.datanodes(node)),
            dss=self._installed.dss(dss_home),
        )

    def _settle(self, environment: Environment) -> Mapping[str, str]:
        """Lay the configuration's words over the environment; without any keep the last one."""
        self._store.lookups.extend(environment.lookups)
        self._store.variables = environment.variables or self._store.variables
        hints = self._hints
        given = {
            "GAUSSHOME": hints.gausshome,
            "GAUSSLOG": hints.gausslog,
            "DSS_HOME": hints.dss_home,
        }
        configured = {name: value for name, value in given.items() if value}
        variables = {**self._store.variables, **configured}
        if not (environment.variables or hints.gausshome):
            self._store.note("GAUSSHOME", "environment", FactState.MISSING, _NOWHERE)
        for name in _TOLD:
            if name in variables:
                origin = CONFIGURED if name in configured else environment.origin or "kept"
                self._store.note(name, origin, detail=variables[name])
        return variables

    def _static_config(self, variables: Mapping[str, str]) -> Optional[StaticConfig]:
        gausshome = variables.get("GAUSSHOME")
        default = posixpath.join(gausshome, "bin", "cluster_static_config") if gausshome else None
        path = self._hints.static_config or default
        return self._installed.static_config(path) if path else None

    def _node(self, static: Optional[StaticConfig]) -> Optional[StaticNode]:
        """Find this node in the static config, by the configured number if there is one."""
        wanted = self._hints.node_id
        if static is None or wanted is None:
            return static.local_node if static else None
        try:
            return static.node(wanted)
        except KeyError:
            numbers = ", ".join(str(node.node_id) for node in static.nodes)
            problem = f"expected one of {numbers}, found {wanted}"
            self._store.note("node_id", CONFIGURED, FactState.NOT_UNDERSTOOD, problem)
            return None

    def _resolve_app_dir(self, gausshome: Optional[str]) -> tuple[str, ...]:
        """Remember every directory that GAUSSHOME led to: an upgrade leaves processes behind."""
        if gausshome:
            self._files.watch(gausshome)
            current = self._store.read("app_dir", gausshome, self._files.resolve) or gausshome
            others = tuple(path for path in self._store.app_dirs if path != current)
            self._store.app_dirs = (*others, current)[-MAX_APP_DIRS:]
        return self._store.app_dirs


def require_user(account: Callable[[str], Account], name: Optional[str]) -> None:
    """Raise SourceError when a user is configured that is not there."""
    try:
        if name is not None:
            account(name)
    except SourceError:
        raise SourceError(f"installation.user: no user {name!r} here") from None


def _dss_home(resources: tuple[CmResource, ...], node: StaticNode) -> str:
    """Take DSS' directory from CM's resource, whose first argument it is (openGauss-OM CM.py)."""
    for resource in resources:
        for instance in resource.instances if resource.name == "dss" else ():
            if instance.node_id == node.node_id and instance.arguments:
                return instance.arguments.split(maxsplit=1)[0]
    return ""
