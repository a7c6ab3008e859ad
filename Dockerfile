# The exporter in a container of its own. What it needs of the host, and why: docs/operations.md.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG PYTHON
WORKDIR /src
COPY requirements/py${PYTHON}.txt requirements.txt
RUN python3 -m venv /opt/exporter \
 && /opt/exporter/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt \
      --report report.json
COPY pyproject.toml README.md LICENSE packages/sbom.py ./
COPY config/signatures.yml config/
COPY exporter exporter
RUN /opt/exporter/bin/pip install --no-cache-dir --no-deps . \
 && python3 sbom.py report.json /opt/exporter/lib/python3*/site-packages > /opt/exporter/sbom.cdx.json \
 && /opt/exporter/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON}-slim
# tini reaps what an ended cm_ctl leaves behind, with the host's pids (-s) as well as as process 1
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt
COPY --from=build /opt/exporter /opt/exporter
# openGauss' user has another number on each host: give it with --user
USER 65534:65534
EXPOSE 19836
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["/opt/exporter/bin/python", "-I", "-c", \
       "import urllib.request as r; r.urlopen('http://127.0.0.1:19836/-/healthy', timeout=4)"]
ENTRYPOINT ["/usr/bin/tini", "-s", "--", "/opt/exporter/bin/opengauss-cm-exporter"]
