# `make demo` and `make test` work on a bare machine with Python 3.11, git and make.
PYTHON ?= python3.11
PYTHON := $(shell command -v $(PYTHON) >/dev/null 2>&1 && echo $(PYTHON) || echo python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test fast check setup eval bench demo-log clean

demo: .venv/base  ## install, and run the main job on the bundled log
	$(BIN)/kappa simulate infra/demo/helpdesk.jsonl --demo

test: .venv/dev check  ## install what the tests need, and run all of them
	$(BIN)/python -m pytest -n 2

fast: .venv/dev  ## the tests that need no process and no second
	$(BIN)/python -m pytest -n 2 -m "not slow"

check: .venv/dev  ## lint, types, walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

setup: .venv/base  ## .venv with .venv/bin/kappa

eval: .venv/base  ## coverage and risk on the development streams in ../shared
	$(BIN)/python -m tests.evaluation.streams

bench: .venv/base  ## the embedded log's, the matcher's and the whole path's speed
	$(BIN)/python -m tests.benchmarks.bench_embedded
	$(BIN)/python -m tests.benchmarks.bench_matcher
	$(BIN)/python -m tests.benchmarks.bench_path

demo-log: .venv/base  ## make the bundled log anew
	$(BIN)/python -m agents.teachers.helpdesk_log > infra/demo/helpdesk.jsonl

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/base: pyproject.toml infra/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install -c infra/constraints.txt -e .
	touch $@

.venv/dev: .venv/base
	$(PIP) install -c infra/constraints.txt -e '.[dev]'
	touch $@
