# Works on a fresh clone with Python 3.11 (or 3.10 and later, at your own versions), make and the network.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo label-studio test test-fast lint format bench clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.demo-ready ## a virtual environment with emotrove in it

# torch is named first and exactly, so that a CPU wheel is taken where there is one.
$(VENV)/.demo-ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps whisperx
	@touch $@

demo: $(VENV)/.demo-ready ## label a small shard, and show the table, the page and the export
	$(BIN)/emotrove demo demo-out

label-studio: .label-studio/.ready ## a Label Studio server, for tests and for trying out (deploy/label-studio.md)

.label-studio/.ready: deploy/label-studio.txt
	$(PYTHON) -m venv .label-studio
	.label-studio/bin/python -m pip install --quiet --disable-pip-version-check --requirement deploy/label-studio.txt
	@touch $@

# One's own is used where the environment names it.
test: $(VENV)/.test-ready $(if $(EMOTROVE_LABEL_STUDIO),,label-studio) ## all tests, the slow ones too
	$(BIN)/python -m pytest

test-fast: $(VENV)/.test-ready ## the tests that start neither Ray nor Label Studio
	$(BIN)/python -m pytest -m "not ray and not slow and not label_studio"

lint: $(VENV)/.test-ready ## formatting, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test-ready ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

TARS ?= pipeline/demo_data/*.tar
bench: $(VENV)/.test-ready ## benchmarks; TARS='data/*.tar' for your own speech
	$(BIN)/python -m benchmarks.read_decode $(TARS)
	$(BIN)/python -m benchmarks.embedded_job $(TARS)

clean: ## remove what make made
	rm -rf $(VENV) .label-studio demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
