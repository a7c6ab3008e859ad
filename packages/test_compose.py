"""The services of docker-compose.yml run together, but for Grafana. ``make packages`` runs this.

Each runs by its own command, mounts, network and capabilities. The images are made here: the base
of the cluster's out of Debian's packages, Prometheus and Alertmanager with the programs of this
host, so it proves the composition, not the official images. Grafana is not there: what its panels
ask is asked here.
"""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from packages.build import ROOT
from packages.containers import Composition, build, podman
from packages.debian import base
from tests.support.dashboards import every_panel, read
from tests.support.programs import find_program, http_get

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
BASE = "localhost/opengauss-cm-compose-base:test"
WITHIN = 300.0
PHASE_SECONDS = 100  # longer than an alert keeps firing; a person would look for minutes
OF_THIS_HOST = (
    "/etc/ssl/certs",  # whom this host trusts when it downloads, the cluster's image must trust
    "/usr/share/prometheus",  # where Debian's Alertmanager has its own templates
)
PYTHON = (
    f"FROM {BASE}",
    "RUN ln -s python3 /usr/bin/python && rm /usr/lib/python3*/EXTERNALLY-MANAGED",
)
PROGRAMS = {
    "prometheus": find_program("prometheus", package="prometheus"),
    "alertmanager": find_program(
        "prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager"
    ),
}


def stand_in(name: str) -> tuple[str, ...]:
    """Write an image as the official one is: of nobody, with a directory of its own."""
    return (
        f"FROM {BASE}",
        f"COPY {name} /bin/{name}",
        f"RUN mkdir /{name} && chown 65534:65534 /{name}",
        "USER 65534:65534",
        f"WORKDIR /{name}",
        f'ENTRYPOINT ["/bin/{name}"]',
    )


@pytest.fixture(scope="module")
def images() -> Iterator[None]:
    """The images under the names that the composition gives them."""
    cache = ROOT / "build/debian"
    cache.mkdir(parents=True, exist_ok=True)
    podman("import", str(base(cache)), BASE)
    tags = {name: f"localhost/{SERVICES[name]['image']}" for name in ("cluster", *PROGRAMS)}
    build(tags["cluster"], PYTHON)
    for name, path in PROGRAMS.items():
        build(tags[name], stand_in(name), {name: path})
    yield
    podman("rmi", "--force", *tags.values(), BASE)


@pytest.fixture(scope="module")
def running(images: None) -> Iterator[Composition]:
    """The services, with phases of the simulated cluster that are short."""
    assert images is None
    shared = [f"--volume={path}:{path}:ro" for path in OF_THIS_HOST if Path(path).is_dir()]
    composition = Composition("opengauss-cm-test", ROOT, shared)
    cluster = {**SERVICES["cluster"], "command": [*SERVICES["cluster"]["command"]]}
    cluster["command"][-1] += f" {PHASE_SECONDS}"
    try:
        composition.start("cluster", cluster)
        for name in PROGRAMS:
            composition.start(name, SERVICES[name])
        yield composition
    finally:
        composition.stop()


def ask(running: Composition, expression: str) -> list[dict[str, Any]]:
    """Ask Prometheus where the composition publishes it."""
    return list(_get(running, 9090, "/api/v1/query", query=expression)["data"]["result"])


def _get(running: Composition, port: int, path: str, **asked: str) -> Any:  # noqa: ANN401 -- JSON
    url = f"http://127.0.0.1:{running.published[port]}{path}?{urllib.parse.urlencode(asked)}"
    status, body = http_get(url, 20)
    assert status == 200, body
    return json.loads(body)


def await_(running: Composition, seen: Callable[[], object]) -> None:
    """Wait until something is seen; nobody may listen yet."""
    deadline = time.monotonic() + WITHIN
    while not _or_refused(seen):
        assert time.monotonic() < deadline, running.logs()
        time.sleep(1)  # the pace of looking


def _or_refused(seen: Callable[[], object]) -> object:
    try:
        return seen()
    except OSError:
        return None


def test_prometheus_scrapes_both_exporters_of_a_healthy_cluster(running: Composition) -> None:
    """They are up, see every process, and no port is in conflict before one is taken."""
    await_(running, lambda: len(ask(running, "up == 1")) == 2)
    full = 'opengauss_port_attribution{level="full"} == 1'
    await_(running, lambda: len(ask(running, full)) == 2)
    await_(running, lambda: ask(running, "count(opengauss_port_listening == 1) == 12"))
    assert ask(running, "opengauss_port_conflict == 1") == []


def test_every_panel_of_the_dashboards_shows_something(running: Composition) -> None:
    """What Grafana would ask for each panel is answered."""
    left = every_panel()

    def all_show() -> bool:
        left[:] = [each for each in left if not read(each[1], lambda e: ask(running, e))]
        return not left

    await_(running, all_show)


def test_the_conflict_reaches_alertmanager_and_ends(running: Composition) -> None:
    """The one cause that the simulated cluster plays arrives, and no other; then it is over."""

    def causes() -> set[tuple[str, str]]:
        told = _get(running, 9093, "/api/v2/alerts", filter='severity="critical"')
        return {(each["labels"]["alertname"], each["labels"].get("node_name", "")) for each in told}

    await_(running, lambda: causes() == {("OpenGaussCMPortConflict", "node2")})
    await_(running, lambda: not causes())
