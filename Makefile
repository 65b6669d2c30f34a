# `make help` lists the targets; start with `make demo`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Three processes run the tests, on two cores as well, since flows mostly wait. Tests of a group, such as those that share
# a Prefect server, run in the same process.
PYTEST := $(BIN)/python -m pytest -n 3 --no-loadscope-reorder
# Cached bytecode makes commands start faster, so an environment that disables it is overridden.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint types bench requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "This needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 …"; exit 2; }
	@echo "==> creating $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no venv module (on Debian: apt install python3-venv)"; exit 2; }
	@echo "==> installing the pinned requirements (about 2 minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

setup: $(STAMP) ## create .venv and install the pinned requirements into it

demo: $(STAMP) ## run everything on a bundled sample; needs no key, network or Docker
	@$(BIN)/python -m flows.demo

test: $(STAMP) ## run the tests
	@$(PYTEST)

test-fast: $(STAMP) ## run the tests that need no Prefect server, no browser and no patience
	@$(PYTEST) -m "not prefect and not browser and not slow"

lint: $(STAMP) ## check with ruff, the import contracts and the compose schema
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

types: $(STAMP) ## check types with mypy --strict
	@$(BIN)/mypy

bench: $(STAMP) ## measure speed and retrieval quality
	@$(BIN)/python -m bench

requirements: ## update the pinned requirements (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
