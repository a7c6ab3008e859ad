"""The image builds, runs as nobody, reports its health and reaps. ``make packages`` runs this.

The base is made here, so that nothing but the packages of Debian and Python is downloaded; it
proves the Dockerfile's steps, not the official base image.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from packages.build import ROOT
from packages.debian import base
from tests.lab.cluster import Lab
from tests.support.documents import shell_block
from tests.support.programs import find_program, http_get

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


def test_it_tells_what_it_is_made_of(image: str) -> None:
    """The bill in it names every dependency that the lock file pins."""
    done = _podman(*RUN, "--entrypoint=/bin/cat", image, "/opt/exporter/sbom.cdx.json")
    told = {each["purl"] for each in json.loads(done.stdout)["components"]}
    lock = (ROOT / "requirements/py3.11.txt").read_text(encoding="utf-8")
    pinned = re.findall(r"(?m)^([\w-]+)==(\S+) ", lock)
    assert told == {f"pkg:pypi/{name}@{version}" for name, version in pinned}


def test_size_and_start_are_told(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What it adds to its base is small; the figures are printed for the documents."""
    whole, below = (
        int(_podman("image", "inspect", "--format={{.Size}}", each).stdout) / 1e6
        for each in (image, BASE)
    )
    began = time.monotonic()
    done = _podman(*RUN, "--read-only", "--tmpfs=/tmp", image, "once")
    took = time.monotonic() - began
    assert "opengauss_exporter_build_info{" in done.stdout, done.stderr
    with capsys.disabled():
        print(f"\nimage: {whole:.0f} MB, {whole - below:.1f} MB of it ours; a page: {took:.1f} s")
    assert whole - below < 20


def _pasted(words: dict[str, str]) -> str:
    """Take the page's own line, with other words for what differs here."""
    line = shell_block("docs/operations.md", "In a container")
    for there, here in words.items():
        assert there in line
        line = line.replace(there, here)
    return line


def test_beside_the_host_it_sees_the_cluster(image: str, tmp_path: Path) -> None:
    """Run by the page's line it finds the cluster and who holds its ports, and keeps state."""
    config, name = tmp_path / "exporter.yml", f"exporter-{tmp_path.name}"
    tmp_path.chmod(0o755)
    with Lab(nodes=2) as lab:
        node = lab.node(1)
        lab.await_query(1, "cluster_state   : Normal")
        config.write_text(
            f"installation:\n  user: {lab.account.pw_name}\n"
            f"  gausshome: {node.gausshome}\n  gausslog: {node.gausslog}\n"
            "cm_query: {enabled: false}\n"
        )
        limits = "--ulimit=nofile=1024:1024 --ulimit=nproc=8192:8192"
        line = _pasted(
            {
                "podman run": f"podman --runtime=runc run {limits}",
                "--name=opengauss-cm-exporter": f"--name={name}",
                " omm)": f" {lab.account.pw_name})",
                "exporter-state:": f"{name}:",
                "/etc/opengauss-cm-exporter/exporter.yml:": f"{config}:",
                "localhost/opengauss-cm-exporter": image,
            }
        )
        try:
            line = f"{line.rstrip()} --web.listen-address=127.0.0.1:0"
            subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=300)
            page = _page_of(name)
            state = _podman("exec", name, "ls", "/state").stdout
        finally:
            _podman("rm", "--force", "--time=5", name)
            _podman("volume", "rm", "--force", name)
    assert f'node_name="{node.name}"' in page
    held = f'opengauss_port_listening{{endpoint="cm_server",instance_id="1",port="{node.cm_port}"}}'
    assert f"{held} 1" in page, [each for each in page.splitlines() if "_port_" in each]
    assert "positions.json" in state


def _page_of(container: str) -> str:
    """Wait until the container's exporter is ready, and fetch its page."""
    with subprocess.Popen(
        [find_program("podman", package="podman runc"), "logs", "--follow", container],
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as logs:
        assert logs.stdout
        lines = []
        for line in logs.stdout:
            lines.append(line)
            if line.rstrip().endswith("msg=ready"):
                break
        logs.terminate()
    told = re.search(r"msg=listening .*port=(\d+)", "".join(lines))
    assert told, lines
    return http_get(f"http://127.0.0.1:{told[1]}/metrics")[1].decode()
