"""The exporter about itself."""

from __future__ import annotations

from exporter.scrape.base import Kind, Metric, values_of
from exporter.scrape.facts import Refusal

BUILD_INFO = Metric(
    "opengauss_exporter_build_info",
    "Version of this exporter and of the Python that runs it, always 1.",
    ("version", "python_version"),
)
COLLECTOR_SUCCESS = Metric(
    "opengauss_exporter_collector_success",
    "1 if the collector's last run gave its metrics, 0 if it failed or took too long.",
    ("collector",),
)
COLLECTOR_DURATION = Metric(
    "opengauss_exporter_collector_duration_seconds",
    "Duration of the collector's last finished run.",
    ("collector",),
)
COLLECTOR_LAST_SUCCESS = Metric(
    "opengauss_exporter_collector_last_success_timestamp_seconds",
    "End of the collector's last successful run since the epoch, 0 before the first.",
    ("collector",),
)
CONFIG_RELOAD_SUCCESSFUL = Metric(
    "opengauss_exporter_config_last_reload_successful",
    "1 if the configuration that was read last is the one in force.",
)
CONFIG_RELOAD_TIMESTAMP = Metric(
    "opengauss_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, since the epoch.",
)
WEB_REFUSALS = Metric(
    "opengauss_exporter_web_refusals_total",
    "Connections and requests that the exporter's web server turned away, by reason.",
    ("reason",),
    kind=Kind.COUNTER,
    values={"reason": values_of(Refusal)},
)
DISCOVERY_SUCCESS = Metric(
    "opengauss_exporter_discovery_success",
    "1 if everything that the installation's files should tell could be read and understood; 0"
    " leaves the last good facts in force, and the log tells what failed.",
)
