"""Who holds the ports of an openGauss cluster, as Prometheus metrics."""

__version__ = "0.9.0"
