# What a developer or a newcomer does with this repository. `make` lists it.
# Needs Python 3.11 or newer and make; uv is found on PATH or installed into .tools.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test chaos bench check audit format schema migration sync

PYTHON ?= python3
# Tried, not only found: a shim on PATH may have nothing behind it.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
# Measures how long the service takes: nothing else may run beside it.
TIMED := tests/faults/test_slow_clients.py

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/bin/uv:
	@echo "Installing uv into .tools …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "BizQ needs Python 3.11 or newer; set PYTHON=…" >&2; exit 1; }
	@if $(PYTHON) -m venv .tools >/dev/null 2>&1; then .tools/bin/python -m pip install --quiet uv; \
	elif $(PYTHON) -m pip install --quiet --target .tools/lib uv >/dev/null 2>&1; then mkdir -p .tools/bin && ln -sf ../lib/bin/uv .tools/bin/uv; fi
	@test -x .tools/bin/uv || { echo "Could not install uv: install python3-venv or pip, or uv itself." >&2; exit 1; }

sync: $(filter .tools/%,$(UV))
	@$(UV) sync --locked --quiet --compile-bytecode

run: sync ## Start everything: PostgreSQL, Redis, a language model, the API and a worker
	@exec $(RUN) bizq up

test: sync ## Run all tests, on servers that they start themselves
	@$(RUN) pytest -n 2 --dist loadfile tests/unit tests/integration tests/chaos tests/bench
	@$(RUN) pytest -n 2 --dist loadfile --ignore $(TIMED) tests/faults
	@$(RUN) pytest tests/e2e $(TIMED)

chaos: sync ## Break every part at random under load and count what is lost: make chaos SEED=7 FAULTS=100
	@$(RUN) python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS))

bench: sync ## Measure how fast it is, and check every answer: make bench WORKLOADS="w1 w4" JSON=new.json COMPARE=old.json
	@$(RUN) python -m tests.bench $(WORKLOADS:%=--workload %) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(PROCESSES),--processes $(PROCESSES)) $(if $(SUBSCRIBERS),--subscribers $(SUBSCRIBERS)) \
		$(if $(JSON),--json $(JSON)) $(if $(COMPARE),--compare $(COMPARE)) \
		$(if $(GROWTH),--growth $(GROWTH)) $(if $(LARGE),--large)

check: sync ## Format, lint, types, import contracts, schema snapshot, migrations in step
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) bizq schema | diff -u schema.graphql - || { echo "schema.graphql is out of date: make schema" >&2; exit 1; }
	$(RUN) python -m tests.migrations_in_step

audit: sync ## Ask whether a known vulnerability is in what is installed; needs the network
	$(RUN) pip-audit --skip-editable --strict

format: sync ## Format the code and sort its imports
	$(RUN) ruff check --fix --select I
	$(RUN) ruff format

schema: sync ## Print the GraphQL schema into schema.graphql
	$(RUN) bizq schema > .schema.new && mv .schema.new schema.graphql

migration: sync ## Write a migration from the models: make migration m="add a column"
	$(RUN) python -m tests.migrations_in_step --write "$(m)"
