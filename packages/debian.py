"""A plain Debian with Python, made once: a root to install into, and a base for the image."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from packages.layout import NAME
from tests.support.programs import find_program

RELEASE = "bookworm"
PLAIN_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
# what a host has that Debian's installer set up, besides the minimum
HOST_PACKAGES = ("systemd-sysv", "curl", "sudo")
_PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def base(directory: Path, *more: str) -> Path:
    """Return a tar archive of a minimal Debian with Python, and more; made now if missing."""
    archive = directory / ("-".join([RELEASE, *more]) + ".tar")
    if not archive.exists():
        root = archive.with_suffix("")
        shutil.rmtree(root, ignore_errors=True)
        command = [find_program("debootstrap", package="debootstrap"), "--variant=minbase"]
        included = f"--include={','.join([*_PACKAGES, *more])}"
        subprocess.run([*command, included, RELEASE, str(root)], check=True)
        # what this host trusts when it downloads, its container must trust, too
        shutil.copyfile(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
        with tarfile.open(archive.with_suffix(".part"), "w") as packed:
            packed.add(root, ".", filter=_leave_devices)
        shutil.rmtree(root)
        archive.with_suffix(".part").rename(archive)
    return archive


def _leave_devices(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.isdev() else member


class Root:
    """An unpacked Debian to run commands in."""

    def __init__(self, directory: Path, archive: Path) -> None:
        self.directory = directory
        subprocess.run(["tar", "-C", str(directory), "-xf", str(archive)], check=True)
        (directory / "dev/null").touch()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command there with /proc and /dev of this host, gone again with the command."""
        inside = (
            'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev"'
            ' && root="$1" && shift && exec chroot "$root" "$@"'
        )
        command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", inside, "sh"]
        return subprocess.run(
            [*command, str(self.directory), *words],
            check=False,
            capture_output=True,
            text=True,
            env=PLAIN_ENVIRONMENT,
            timeout=300,
        )

    def files(self) -> set[str]:
        """List everything that is there, except the package manager's own books."""
        own_books = ("var/lib/dpkg", "var/log", "var/cache", "proc", "dev", "tmp")
        found = (str(path.relative_to(self.directory)) for path in self.directory.rglob("*"))
        return {each for each in found if not each.startswith(own_books)}


def image_name(tag: str) -> str:
    """Name the image as it is called here."""
    return f"localhost/{NAME}:{tag}"
