"""The image builds, runs as nobody, reports its health and reaps. ``make packages`` runs this.

The base is made here, so that nothing but the packages of Debian and Python is downloaded; it
proves the Dockerfile's steps, not the official base image.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from packages.build import ROOT
from packages.debian import base
from tests.lab.cluster import Lab
from tests.support.programs import find_program

BASE = "localhost/python:3.11-slim"
IMAGE = "localhost/opengauss-cm-exporter:test"
RUN = ("run", "--rm", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
ORPHAN = """
import subprocess, sys, time
subprocess.run(["sh", "-c", "sleep 0.1 & exit"])  # its parent is gone: process 1 inherits it
deadline = time.monotonic() + 10
while time.monotonic() < deadline:
    states = subprocess.run(["sh", "-c", "cat /proc/[0-9]*/stat"], capture_output=True, text=True)
    if "(sleep)" not in states.stdout:
        sys.exit(0)
sys.exit("an orphan was not reaped")
"""


def _podman(*words: str) -> subprocess.CompletedProcess[str]:
    command = [find_program("podman", package="podman runc"), "--runtime=runc", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image, built over a base of our own and removed afterwards."""
    cache = ROOT / "build/debian"
    cache.mkdir(parents=True, exist_ok=True)
    done = _podman("import", str(base(cache)), BASE)
    assert done.returncode == 0, done.stderr
    buildah = [find_program("buildah", package="buildah"), "build", "--isolation=chroot"]
    certificates = "--volume=/etc/ssl/certs:/etc/ssl/certs:ro"
    build = [*buildah, "--pull-never", certificates, "--format=docker", f"--tag={IMAGE}"]
    subprocess.run([*build, f"--from={BASE}", str(ROOT)], check=True, timeout=900)
    yield IMAGE
    _podman("rmi", "--force", IMAGE, BASE)


def test_it_gives_a_page_with_a_read_only_root(image: str) -> None:
    """As nobody, without a writable file, one page comes out."""
    done = _podman(*RUN, "--read-only", "--tmpfs=/tmp", image, "once")
    assert "opengauss_node_info{" in done.stdout, done.stderr
    assert "opengauss_exporter_build_info{" in done.stdout


def test_it_runs_as_nobody_and_tells_its_health(image: str) -> None:
    """The image names its user, its port and how to ask for its health."""
    (told,) = json.loads(_podman("image", "inspect", image).stdout)
    assert told["Config"]["User"] == "65534:65534"
    assert list(told["Config"]["ExposedPorts"]) == ["19836/tcp"]
    assert "/-/healthy" in told["Healthcheck"]["Test"][-1]


def test_the_health_check_holds_while_it_serves(image: str, tmp_path: Path) -> None:
    """What the image says to ask succeeds in a running container, and fails where none answers."""
    name = f"exporter-{tmp_path.name}"
    started = _podman(*RUN, "--detach", f"--name={name}", image)
    assert started.returncode == 0, started.stderr
    try:
        check = [*json.loads(_podman("image", "inspect", image).stdout)[0]["Healthcheck"]["Test"]]
        seen = [_podman("exec", name, *check[1:]).returncode for _ in range(20)]
        assert seen[-1] == 0
        elsewhere = check[-1].replace("19836", "19837")
        assert _podman("exec", name, *check[1:-1], elsewhere).returncode != 0
    finally:
        _podman("rm", "--force", "--time=1", name)


def test_process_one_reaps_orphans(image: str) -> None:
    """What an ended child leaves behind does not stay as a zombie."""
    done = _podman(*RUN, "--entrypoint=/usr/bin/tini", image, "-s", "--", "python3", "-c", ORPHAN)
    assert done.returncode == 0, done.stderr


def test_beside_the_host_it_sees_the_cluster(image: str, tmp_path: Path) -> None:
    """With the host's processes, sockets and files it finds the cluster and who holds its ports."""
    config = tmp_path / "exporter.yml"
    tmp_path.chmod(0o755)
    with Lab(nodes=2) as lab:
        node = lab.node(1)
        lab.await_query(1, "cluster_state   : Normal")
        config.write_text(
            f"installation:\n  user: {lab.account.pw_name}\n"
            f"  gausshome: {node.gausshome}\n  gausslog: {node.gausslog}\n"
            "cm_query: {enabled: false}\n"
        )
        user = f"--user={lab.account.pw_uid}:{lab.account.pw_gid}"
        host = ("--pid=host", "--network=host", "--volume=/:/host:ro", "--tmpfs=/tmp")
        limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=8192:8192")
        file = f"--volume={config}:/exporter.yml:ro"
        words = ("once", "--path.rootfs=/host", "--config.file=/exporter.yml")
        run = ("run", "--rm", "--read-only", *limits, *host, user, file)
        done = _podman(*run, image, *words)
    page = done.stdout
    assert f'node_name="{node.name}"' in page, done.stderr
    held = f'opengauss_port_listening{{endpoint="cm_server",instance_id="1",port="{node.cm_port}"}}'
    assert f"{held} 1" in page, [each for each in page.splitlines() if "_port_" in each]
