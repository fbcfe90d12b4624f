# Everything that Dawson's users and developers type. Needs Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup browser postgresql demo test test-all lint types floors docs check clean lesion-model

help:  ## Show these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Dawson needs Python 3.11 or later: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.develop: $(VENV)/.runtime
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,cluster,federation,intake,web,postgresql]'
	touch $@

setup: $(VENV)/.develop  ## Install Dawson and its tools into .venv

demo: $(VENV)/.runtime  ## Simulate a cohort, run a study on it, read four new scans (about 10 minutes with the installation)
	$(BIN)/dawson demo --out demo

lesion-model: $(VENV)/.develop  ## Simulate training cohorts and train the lesion network (hours)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/make_lesion_model.py build/lesion-model --out src/dawson/lesions/models/shipped --jobs $(WORKERS)

browser:  ## Install Chromium for the browser tests (Debian or Ubuntu, as root; without it they are skipped)
	command -v chromium >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends chromium; }

postgresql:  ## Install PostgreSQL for the test on it (Debian or Ubuntu, as root; without it it is skipped)
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -q && apt-get install -y -q --no-install-recommends postgresql; }

test: $(VENV)/.develop  ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-all: $(VENV)/.develop  ## Run the tests and the slow proofs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m ''

lint: $(VENV)/.develop  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.develop  ## Types: strict on the two lower floors
	$(BIN)/mypy

floors: $(VENV)/.develop  ## Which room may import which
	$(BIN)/lint-imports

docs: $(VENV)/.develop  ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

check: lint types floors docs  ## Everything but the tests

clean:  ## Remove what was built, but not .venv
	rm -rf build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
