# `make test` runs everything that CI runs; `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help venv tools lint types unit test run chaos fuzz bench docs golden clean demo e2e dashboards packages lock

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

venv: $(VENV)/.stamp ## create the virtual environment

tools: ## bring promtool, amtool and what the tests need, or say how
	./scripts/install-tools

lint: venv ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv ## mypy --strict
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.11 grafana/src tests/grafana/*.py

unit: venv ## the tests alone, without linters
	$(BIN)/python -m pytest -n auto --dist loadfile

test: venv tools lint types unit ## everything that CI runs

run: venv ## start the exporter on this node
	$(BIN)/opengauss-cm-exporter

chaos: venv ## faults and load against the real exporter, expected and seen, in half an hour (TRIAL=word for some)
	$(BIN)/python -m tests.chaos $(TRIAL)

fuzz: venv ## rubbish for all that takes bytes (SECONDS=5 each), 200,000 outputs of cm_ctl, 20,000 lives of a log
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),5)
	FUZZ_INPUTS=200000 $(BIN)/python -m pytest tests/fuzz tests/logs/test_model.py

demo: venv ## a simulated cluster, a port conflict, and the way back (SCENARIO=name, KEEP=1)
	@SCENARIO='$(SCENARIO)' KEEP='$(KEEP)' $(BIN)/python -m tests.lab.demo

e2e: venv tools ## every scenario in a real Prometheus and Alertmanager, and every recording
	E2E=all $(BIN)/python -m pytest tests/lab/test_recordings.py tests/lab/test_second_recordings.py
	$(BIN)/python -m tests.lab.e2e

bench: venv tools ## the numbers, side by side with lsof, ss and psutil
	./scripts/install-newer-monitoring
	$(BIN)/python -m tests.bench

packages: venv ## build wheel, sdist, .deb and .rpm into dist/; install, run and remove them and the image
	$(BIN)/python -m packages.build
	$(BIN)/python -m pytest packages

lock: venv ## choose the dependencies of packages and image anew, for each Python
	./scripts/lock

docs: venv ## write the generated documents anew
	$(BIN)/python scripts/generate_docs.py

dashboards: venv ## write the dashboards anew (needs Python 3.11)
	$(BIN)/python -m grafana.src

golden: venv ## write the golden page anew
	$(BIN)/python -m pytest tests/test_golden.py --update-golden

clean: ## remove what make made
	rm -rf $(VENV) .tools build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
