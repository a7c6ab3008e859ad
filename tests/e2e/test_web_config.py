"""A real Prometheus scrapes over TLS, with a client certificate and a password."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands.test_serve_web import PASSWORD, USER, web_config
from tests.support.exporter_process import PATIENCE_SECONDS, ExporterProcess
from tests.support.pki import Pki, make_pki
from tests.support.programs import Program, find_program, http_get

pytestmark = pytest.mark.e2e


def job(name: str, port: int, pki: Pki, secret: str) -> dict[str, Any]:
    """Write a scrape configuration with everything that the exporter asks for."""
    return {
        "job_name": name,
        "scheme": "https",
        "basic_auth": {"username": USER, "password": secret},
        "tls_config": {
            "ca_file": str(pki.authority.certificate),
            "cert_file": str(pki.client.certificate),
            "key_file": str(pki.client.key),
        },
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }


def without_certificate(scrape: dict[str, Any]) -> dict[str, Any]:
    """Take the client's certificate out of a scrape configuration."""
    tls = {"ca_file": scrape["tls_config"]["ca_file"]}
    return {**scrape, "tls_config": tls}


def refusals(prometheus: Program) -> dict[str, float]:
    """Ask Prometheus itself how many clients the exporter refused, once two handshakes failed."""
    query = "opengauss_exporter_web_refusals_total"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        _, body = http_get(f"{prometheus.url}/api/v1/query?query={query}")
        result = json.loads(body)["data"]["result"]
        counts = {each["metric"]["reason"]: float(each["value"][1]) for each in result}
        if counts.get("tls", 0) >= 2 and counts["unauthorized"]:
            return counts
        assert time.monotonic() < deadline, counts
        time.sleep(0.1)  # the pace of looking; the deadline is what is waited for


def health(prometheus: Program) -> dict[str, tuple[str, str]]:
    """Return each job's health and last error, once all were scraped."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        _, body = http_get(f"{prometheus.url}/api/v1/targets")
        targets = json.loads(body)["data"]["activeTargets"]
        found = {t["labels"]["job"]: (t["health"], t["lastError"]) for t in targets}
        if found and "unknown" not in {state for state, _ in found.values()}:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)  # the pace of looking; the deadline is what is waited for


def test_prometheus_scrapes_with_certificate_and_password(tmp_path: Path) -> None:
    """It is up with both; without one of them, or by another authority, down, and counted."""
    pki = make_pki(tmp_path)
    file = tmp_path / "web.yml"
    file.write_text(web_config(pki), encoding="utf-8")
    with ExporterProcess(None, f"--web.config.file={file}") as exporter:
        exporter.wait_for("ready")
        config = tmp_path / "prometheus.yml"
        jobs = [
            job("right", exporter.port, pki, PASSWORD),
            job("wrong password", exporter.port, pki, "guessed"),
            without_certificate(job("no certificate", exporter.port, pki, PASSWORD)),
            job("wrong authority", exporter.port, pki, PASSWORD),
        ]
        jobs[-1]["tls_config"]["ca_file"] = str(pki.stranger.certificate)
        config.write_text(
            yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}),
            encoding="utf-8",
        )
        program = find_program("prometheus", package="prometheus")
        prometheus = Program(
            lambda port: [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            "/-/ready",
            tmp_path / "prometheus.log",
        )
        try:
            found = health(prometheus)
            counted = refusals(prometheus)
        finally:
            prometheus.stop()
    assert found["right"] == ("up", "")
    assert {name for name, (state, _) in found.items() if state == "down"} == found.keys() - {
        "right"
    }
    assert "401" in found["wrong password"][1]
    assert "x509" in found["wrong authority"][1]
    assert counted["unauthorized"] >= 1
    assert counted["tls"] >= 2
