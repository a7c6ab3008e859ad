"""Logs: signatures and what they tell, and how the reading gets on."""

from __future__ import annotations

from exporter.config.words import LOG_SOURCES
from exporter.logs.facts import LogErrorReason, StartStatus, StopOrigin
from exporter.scrape.base import Kind, Metric, values_of

_SOURCE = {"source": LOG_SOURCES}
_GROUP = "Logs"

SIGNATURE_MATCHES = Metric(
    "opengauss_log_signature_matches_total",
    "Records that have the signature (logs of the source; config/signatures.yml tells the pattern"
    " and its meaning); goes on over restarts of the exporter.",
    ("signature", "source"),
    Kind.COUNTER,
    values=_SOURCE,
    group=_GROUP,
)
SIGNATURE_LAST_MATCH = Metric(
    "opengauss_log_signature_last_match_timestamp_seconds",
    "The record's own time, since the epoch, of the youngest record that has the signature; the"
    " moment of reading where it has none; 0 for none.",
    ("signature", "source"),
    values=_SOURCE,
    group=_GROUP,
    zero_is_none=True,
)
PORT_REPORT = Metric(
    "opengauss_log_port_report_timestamp_seconds",
    "Time since the epoch of the youngest record of the signature that reports the port as taken;"
    " other stands for every port that is no endpoint's; 0 for none.",
    ("signature", "port"),
    group=_GROUP,
    zero_is_none=True,
)
START_STATUS = Metric(
    "opengauss_cm_start_status",
    "The numbers of cm_ctl's youngest record that a start exceeds two minutes: -1 no primary"
    " cm_server reached, 0 starting, 1 redistributing, 2 normal, 3 unavailable, 4 degraded,"
    " 5 unknown (also before any record), 6 normal without a deleted CN (logs of cm_ctl).",
    ("scope",),
    values={"scope": StartStatus._fields},
    group=_GROUP,
)
START_FAILED_AFTER = Metric(
    "opengauss_cm_start_failed_after_seconds",
    "After how many seconds the youngest failed start of the cluster, an availability zone, a node"
    " or an instance was given up (logs of cm_ctl), 0 for none.",
    group=_GROUP,
)
STOP_ORIGIN = Metric(
    "opengauss_stop_origin",
    "1 for who made the marker that keeps an instance stopped, or with an empty instance_id the"
    " whole node (markers in $GAUSSHOME/bin, logs of cm_agent).",
    ("instance_id", "origin"),
    values={"origin": values_of(StopOrigin)},
    group="Node",
    zero_is_none=True,
)
LOG_LINES = Metric(
    "opengauss_log_lines_total",
    "Lines read of the source's logs.",
    ("source",),
    Kind.COUNTER,
    values=_SOURCE,
    group=_GROUP,
)
LOG_BYTES = Metric(
    "opengauss_log_bytes_total",
    "Bytes read of the source's logs.",
    ("source",),
    Kind.COUNTER,
    values=_SOURCE,
    group=_GROUP,
)
LOG_ROTATIONS = Metric(
    "opengauss_log_rotations_total",
    "Files of the source that were renamed or removed while they were followed.",
    ("source",),
    Kind.COUNTER,
    values=_SOURCE,
    group=_GROUP,
)
LOG_TRUNCATIONS = Metric(
    "opengauss_log_truncations_total",
    "Files of the source that were truncated or replaced while they were followed.",
    ("source",),
    Kind.COUNTER,
    values=_SOURCE,
    group=_GROUP,
)
LOG_ERRORS = Metric(
    "opengauss_log_errors_total",
    "What of the source's logs could not be read or understood; the source is empty for the"
    " exporter's own state file.",
    ("source", "reason"),
    Kind.COUNTER,
    values={"source": ("", *LOG_SOURCES), "reason": values_of(LogErrorReason)},
    group=_GROUP,
)
LOG_FILES = Metric(
    "opengauss_log_files",
    "Files of the source that are followed.",
    ("source",),
    values=_SOURCE,
    group=_GROUP,
)
LOG_LAG = Metric(
    "opengauss_log_lag_bytes",
    "Bytes of the source's logs that are written and not read yet.",
    ("source",),
    values=_SOURCE,
    group=_GROUP,
    zero_is_none=True,
)
