# `make` alone lists the targets. Each of them makes the virtual environment that it needs, in .venv, when it is absent or out of date.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart test test-slow check format bench docs clean

VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?= # an index to take torch from, for the small CPU build: see constraints.txt
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# Nothing is compiled at installation: of the 15,000 modules that come with torch and transformers a run imports a fifth, and
# compiles them when it first does. That takes a third of the time, as long as Python may write what it compiled.
INSTALL = PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -qq \
	--disable-pip-version-check --no-compile $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable
unexport PYTHONDONTWRITEBYTECODE

# Tests need no network, and are fastest with a process for each core and a thread for each process.
PYTEST = HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1 $(BIN)/pytest

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

quickstart: $(VENV)/installed ## fine-tune a real model on real data and see how much better it got, in two minutes
	@$(BIN)/tunesmith quickstart

test: $(VENV)/installed-dev ## everything that runs in minutes: behaviour, contracts of all strategies and tasks
	@$(PYTEST) -m "not slow" -n logical --maxprocesses 8 --ignore tests/house

test-slow: $(VENV)/installed-dev ## real models, and every ordered pair of strategies
	@$(PYTEST) -m slow

check: $(VENV)/installed-dev ## style, types and the rules of the house: layers, budgets, names, documentation
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(PYTEST) -m "not slow" tests/house

format: $(VENV)/installed-dev ## put every file in the house's style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/installed-dev ## measure tunesmith beside its peers; benchmarks/README.md has the figures
	@for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(BIN)/python "$$benchmark"; done

docs: $(VENV)/installed-dev ## write the pages that come from docstrings, and follow every link
	@$(BIN)/python docs/build.py
	@$(PYTEST) tests/house/test_docs.py

clean: ## remove the virtual environment, caches and builds; runs/ stays
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find src tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml constraints.txt
	$(make-venv)
	@echo "Installing tunesmith and what it needs into $(VENV): about half a minute."
	@$(INSTALL) .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(make-venv)
	@echo "Installing tunesmith and the tools to work on it into $(VENV): about half a minute."
	@$(INSTALL) '.[dev]'
	@touch $(VENV)/installed $@

define make-venv
@[ -x $(BIN)/pip ] || { [ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer with venv was not found. Install it (Debian: python3 and" \
	"python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }; $(PYTHON) -m venv --clear $(VENV); }
endef
