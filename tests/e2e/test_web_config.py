"""A real Prometheus scrapes over TLS, with a client certificate and a password."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.exporter_process import PATIENCE_SECONDS, ExporterProcess
from tests.support.pki import Pki, make_pki
from tests.support.programs import Program, find_program, http_get
from tests.test_serve_web import PASSWORD, USER, web_config

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
    """It is up with both, and down with a wrong password, which its error names as 401."""
    pki = make_pki(tmp_path)
    file = tmp_path / "web.yml"
    file.write_text(web_config(pki), encoding="utf-8")
    with ExporterProcess(None, f"--web.config.file={file}") as exporter:
        exporter.wait_for("ready")
        config = tmp_path / "prometheus.yml"
        jobs = [
            job("right", exporter.port, pki, PASSWORD),
            job("wrong", exporter.port, pki, "guessed"),
        ]
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
        finally:
            prometheus.stop()
    assert found["right"] == ("up", "")
    assert found["wrong"][0] == "down"
    assert "401" in found["wrong"][1]
