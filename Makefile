# Two commands on a fresh machine: `make run` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
.DEFAULT_GOAL := help

.PHONY: help run ui test e2e lint format clean

help: ## list the commands
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "atmr needs Python 3.11 to 3.13; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.installed

run: $(VENV)/.installed ## build the demo company if needed, run the whole pipeline, print what was learned
	@$(BIN)/atmr run $(ARGS)

ui: $(VENV)/.installed ## open the Dagster UI (webserver and daemon) on the same home
	@$(BIN)/atmr ui $(ARGS)

test: $(VENV)/.installed-dev ## run the tests (no network; PostgreSQL is started by the tests themselves)
	$(BIN)/python -m pytest -m "not e2e" -n auto --dist loadfile $(ARGS)

e2e: $(VENV)/.installed-dev ## the loop on PostgreSQL, with daemon, webserver and Chromium (up to 10 minutes)
	$(BIN)/python -m pytest -m e2e tests/e2e $(ARGS)

lint: $(VENV)/.installed-dev ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the virtual environment and the caches; the home stays
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
