# Two commands: `make demo` shows the main job on a real Airflow, `make test` proves the package.
# Everything is set up in .venv; nothing outside this folder is touched.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup demo stop pyz test lint types contracts check bench docs dist clean

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## Set up .venv with the package and what its tests need

$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) can't make a virtual environment: on Debian or Ubuntu, install python3-venv"; exit 1; }
	@echo "Installing the package and Airflow into $(VENV): a minute or two the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	@touch $@

demo: setup ## Run the main job on a real Airflow (KEEP=1 leaves it up, REPLAY=file.csv takes your series)
	@$(BIN)/python tools/demo.py $(if $(KEEP),--keep) $(if $(REPLAY),--replay '$(REPLAY)')

stop: ## End the Airflow that `make demo KEEP=1` left running
	@test ! -x $(BIN)/python || $(BIN)/python tools/demo.py --stop

pyz: setup ## Make dist/measure.pyz, the agent in one file for machines with nothing but Python
	@$(BIN)/python -m airflow_carbon.meters.bundle dist/measure.pyz

test: setup check ## Everything: lint, types, contracts, tests with coverage
	$(BIN)/python tools/run_tests.py

check: lint types contracts

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

bench: setup ## Measure what the docs claim
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/waits.py
	$(BIN)/python benchmarks/metering.py

docs: setup ## Build the docs into docs/_build/html; a dead link or an undocumented name is an error
	$(BIN)/python -m sphinx -E -a -b html -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

dist: setup ## Make a release's files of the last commit in dist/, and try them in clean environments
	@$(BIN)/python tools/release.py

clean: ## Remove .venv and what tests and demo left
	rm -rf $(VENV) .venv-peers .demo .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis docs/_build dist build
