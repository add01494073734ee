# Two commands do everything on a machine that has Python 3.11+, git and make:
#   make demo    runs the quickstart notebook, offline and without a key
#   make test    passes the tests
# Each sets up .venv first; that alone needs the package registry, and only once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOK ?= notebooks/01-quickstart.ipynb
PYTEST_ARGS ?=
LAB_ARGS ?=
BENCH_ARGS ?=

.PHONY: demo lab test test-live check format bench bench-peers clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n '1,5s/^# \{0,1\}//p' Makefile

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "toolscript needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version`. Try: make PYTHON=python3.12 …"; exit 2; }
	@test ! -L $(VENV) -o -e $(VENV) || { echo "$(VENV) is a link to what is not there: remove it (rm $(VENV)), and try again"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)
	@$(BIN)/toolscript demo $(NOTEBOOK)

lab: $(READY)
	$(BIN)/jupyter lab $(LAB_ARGS) $(NOTEBOOK)

# Two at a time, each file in one process: most tests wait for processes of theirs more than they compute.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

# Costs money: real models, with the keys that are set.
test-live: $(READY)
	TOOLSCRIPT_LIVE=1 $(BIN)/python -m pytest tests/live $(PYTEST_ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=harness:tools:kernel:extension $(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python benchmarks/agent.py
	$(BIN)/python benchmarks/runtime.py
	$(BIN)/python benchmarks/recovery.py
	$(BIN)/python benchmarks/notebook.py

# Measures other systems beside ours; installs them first, into a folder of their own.
# BENCH_ARGS=--write writes docs/benchmarks/runtime.md.
PEERS := .artefacts/peers
bench-peers: $(READY)
	@mkdir -p $(PEERS)/js
	@test -x $(PEERS)/py/bin/python || $(BIN)/python -m venv $(PEERS)/py
	$(PEERS)/py/bin/python -m pip install --quiet --disable-pip-version-check pydantic-monty quickjs-rs langchain-quickjs smolagents
	cp benchmarks/peers/package.json benchmarks/peers/*.mjs benchmarks/peers/work.py $(PEERS)/js/
	npm install --prefix $(PEERS)/js --no-audit --no-fund --silent
	$(BIN)/python benchmarks/runtime.py $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache notebooks/.work .artefacts
