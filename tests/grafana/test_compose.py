"""What Grafana reads besides the dashboards, and the composition of all programs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.fleet import REPOSITORY as ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Mapping[str, Any] = COMPOSE["services"]
PROMETHEUS = yaml.safe_load((ROOT / "grafana/compose/prometheus.yml").read_text(encoding="utf-8"))
GRAFANA_PORT = 3000  # Grafana's own default
SOURCES = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())
PROVIDERS = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/opengauss.yml").read_text())


def mounts() -> Iterator[tuple[str, Path, str]]:
    """List what of the project is mounted: the service, the file or folder, and where."""
    for name, service in SERVICES.items():
        for volume in service["volumes"]:
            source, target, *_ = volume.split(":")
            if source.startswith("."):
                yield name, (ROOT / source).resolve(), target


def inside(service: str, path: str) -> Path:
    """Find what a service sees at a path."""
    for name, source, target in mounts():
        if name == service and path.startswith(target):
            return Path(f"{source}{path.removeprefix(target)}")
    raise AssertionError(f"{service} has nothing at {path}")


def test_the_composition_has_every_program() -> None:
    """Exporters over the simulated cluster, Prometheus, Alertmanager and Grafana."""
    assert set(SERVICES) == {"cluster", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_named_plainly_and_with_a_version(name: str) -> None:
    """No image names the host of a registry, and none is whatever is newest."""
    assert re.fullmatch(r"([a-z]+/)?[a-z]+:v?\d[\w.-]*", SERVICES[name]["image"])


def test_everything_that_is_mounted_is_there() -> None:
    """Each file or folder of the project that a service sees exists, and cannot be changed."""
    assert all(source.exists() for _, source, _ in mounts())
    for service in SERVICES.values():
        for volume in service["volumes"]:
            assert volume.endswith(":ro") or volume == "targets:/targets"


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    """Provisioning leads to the committed dashboards, and to the address of Prometheus."""
    (provider,) = PROVIDERS["providers"]
    assert list(inside("grafana", provider["options"]["path"]).glob("*.json"))
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert inside("grafana", home).is_file()
    (source,) = SOURCES["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    assert "--web.listen-address=:9090" in SERVICES["prometheus"]["command"]


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """Promtool reads the configuration with all rules, as the mounts place them."""
    text = inside("prometheus", "/etc/prometheus/prometheus.yml").read_text(encoding="utf-8")
    rules = str(inside("prometheus", "/etc/prometheus/opengauss"))
    path = tmp_path / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus/opengauss", rules), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list((ROOT / 'alerts').glob('*.rules.yml')))} rule files found" in done.stdout


def listening(service: str) -> int:
    """Find the port on which a service is told to listen."""
    found = re.findall(r"--web\.listen-address=:(\d+)", " ".join(SERVICES[service]["command"]))
    return int(found[0])


def test_what_listens_can_be_reached_from_the_host_alone() -> None:
    """All share one network, whose published ports are those on which the three programs listen."""
    listened = {GRAFANA_PORT, listening("prometheus"), listening("alertmanager")}
    assert {*SERVICES["cluster"]["ports"]} == {f"127.0.0.1:{port}:{port}" for port in listened}
    others = [service for name, service in SERVICES.items() if name != "cluster"]
    assert {service["network_mode"] for service in others} == {"service:cluster"}


def test_prometheus_tells_alertmanager() -> None:
    """The address to which alerts go is Alertmanager's, which finds its configuration."""
    (manager,) = PROMETHEUS["alerting"]["alertmanagers"]
    (told,) = manager["static_configs"]
    assert told["targets"] == [f"127.0.0.1:{listening('alertmanager')}"]
    path = inside("alertmanager", "/etc/alertmanager/alertmanager.yml")
    done = subprocess.run(
        ["amtool", "check-config", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_exporters_may_see_every_process() -> None:
    """Both capabilities are given: nodes side by side differ by their environments alone."""
    assert set(SERVICES["cluster"]["cap_add"]) == {"SYS_PTRACE", "DAC_READ_SEARCH"}


def test_the_cluster_writes_the_targets_that_prometheus_reads() -> None:
    """Both name the same file on the volume that they share."""
    (scraped,) = PROMETHEUS["scrape_configs"]
    (found,) = scraped["file_sd_configs"]
    assert scraped["job_name"] == "opengauss-cm"
    assert found["files"][0] in SERVICES["cluster"]["command"][-1]


def test_the_command_of_the_cluster_is_there() -> None:
    """The module and the requirements that the cluster's command names exist."""
    command = SERVICES["cluster"]["command"][-1]
    (module,) = re.findall(r"python -m (\S+)", command)
    (requirements,) = re.findall(r"--requirement (\S+)", command)
    assert (ROOT / requirements).is_file()
    done = subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=False)
    assert done.returncode == 0
