"""What the system packages hold and say: one description for the .deb and the .rpm. Pure."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "opengauss-cm-exporter"
SUMMARY = "Prometheus exporter that names the process holding a port of an openGauss cluster"
DESCRIPTION = (
    "Runs on each node of an openGauss cluster and publishes who holds the ports of CM and the\n"
    "database, the parsed cm_ctl query state, and counters of log signatures."
)
MAINTAINER = "opengauss-cm-exporter maintainers <maintainers@opengauss-cm-exporter.invalid>"
LIBRARY = f"usr/lib/{NAME}"
COMMAND = f"usr/bin/{NAME}"

# from the project's root -> in the package; a directory goes with what is in it
FILES = {
    "config/exporter.yml": f"etc/{NAME}/exporter.yml",
    "config/web-config.yml": f"usr/share/{NAME}/web-config.yml",
    f"config/{NAME}@.service": f"usr/lib/systemd/system/{NAME}@.service",
    # not in force until an administrator copies it
    f"config/{NAME}@.service.d": f"usr/share/{NAME}/{NAME}@.service.d",
    "config/signatures.yml": f"usr/share/{NAME}/signatures.yml",
    "alerts": f"usr/share/{NAME}/alerts",
    "grafana/dashboards": f"usr/share/{NAME}/dashboards",
    "docs/configuration.md": f"usr/share/doc/{NAME}/configuration.md",
    "docs/security.md": f"usr/share/doc/{NAME}/security.md",
    "docs/runbooks": f"usr/share/doc/{NAME}/runbooks",
    "docs/zh/runbooks": f"usr/share/doc/{NAME}/zh/runbooks",
    "README.md": f"usr/share/doc/{NAME}/README.md",
    "README.zh-CN.md": f"usr/share/doc/{NAME}/README.zh-CN.md",
    "CHANGELOG.md": f"usr/share/doc/{NAME}/CHANGELOG.md",
    "LICENSE": f"usr/share/doc/{NAME}/copyright",
}
BILL = f"usr/share/doc/{NAME}/sbom.cdx.json"
CONFIG_FILES = (f"etc/{NAME}/exporter.yml",)

# -I: nothing of the caller's environment or directory is imported
LAUNCHER = f"""\
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/{LIBRARY}")

from exporter.cli import main

sys.exit(main())
"""

# Compiled where it runs: the exporter's user may not write there, and would compile at each start.
AFTER_INSTALL = f"""\
/usr/bin/python3 -I -m compileall -q /{LIBRARY}
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
"""
# Of every cluster's user, for a unit without its command would only fail.
BEFORE_LAST_REMOVE = f"""\
if [ -d /run/systemd/system ]; then
  systemctl stop '{NAME}@*.service'
  systemctl disable --quiet {NAME}@.service
fi
rm -rf /run/{NAME}
"""
BEFORE_REMOVE = f"find /{LIBRARY} -name __pycache__ -type d -prune -exec rm -r {{}} +\n"
AFTER_REMOVE = "if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi\n"
STATE = f"/var/lib/{NAME}"


@dataclass(frozen=True)
class Target:
    """The machine that a package is for: a Python such as ``3.11`` and a machine word of uname."""

    python: str
    machine: str

    @property
    def next_python(self) -> str:
        """The first Python that the compiled libraries do not fit."""
        major, minor = self.python.split(".")
        return f"{major}.{int(minor) + 1}"

    @property
    def debian_architecture(self) -> str:
        """The machine in Debian's word."""
        return {"x86_64": "amd64", "aarch64": "arm64"}[self.machine]


def debian_control(version: str, target: Target, kibibytes: int) -> str:
    """Write DEBIAN/control; the size is that of the installed files."""
    description = "".join(f" {line}\n" for line in DESCRIPTION.splitlines())
    return (
        f"Package: {NAME}\n"
        f"Version: {version}\n"
        f"Architecture: {target.debian_architecture}\n"
        f"Maintainer: {MAINTAINER}\n"
        f"Installed-Size: {kibibytes}\n"
        f"Depends: python3 (>= {target.python}), python3 (<< {target.next_python})\n"
        "Section: database\n"
        "Priority: optional\n"
        f"Description: {SUMMARY}\n{description}"
    )


def debian_scripts() -> dict[str, str]:
    """Write what dpkg runs, by name."""
    scripts = {
        "postinst": AFTER_INSTALL,
        "prerm": f'if [ "$1" = remove ]; then\n{BEFORE_LAST_REMOVE}fi\n{BEFORE_REMOVE}',
        "postrm": f'{AFTER_REMOVE}if [ "$1" = purge ]; then rm -rf {STATE}; fi\n',
    }
    return {name: f"#!/bin/sh\nset -e\n{text}" for name, text in scripts.items()}


def rpm_spec(version: str, target: Target, tree: str) -> str:
    """Write the spec that packs a staged tree as it is."""
    config = "".join(f"%config(noreplace) /{path}\n" for path in CONFIG_FILES)
    return f"""\
Name: {NAME}
Version: {version}
Release: 1
Summary: {SUMMARY}
License: Apache-2.0
AutoReqProv: no
Requires: python3 >= {target.python}, python3 < {target.next_python}
%global __os_install_post %{{nil}}
%global debug_package %{{nil}}
%global _build_id_links none
%global clamp_mtime_to_source_date_epoch 1
%global use_source_date_epoch_as_buildtime 1
%global _buildhost localhost
%description
{DESCRIPTION}
%install
cp -a {tree}/. %{{buildroot}}
%post
{AFTER_INSTALL}%preun
if [ "$1" = 0 ]; then
{BEFORE_LAST_REMOVE}{BEFORE_REMOVE}fi
%postun
{AFTER_REMOVE}%files
%dir /etc/{NAME}
{config}/usr/bin/{NAME}
/usr/lib/{NAME}
/usr/lib/systemd/system/{NAME}@.service
/usr/share/{NAME}
%doc /usr/share/doc/{NAME}
"""
