# Carecall: everything a developer or an operator runs from a checkout. `make` alone lists it.

.PHONY: help install demo simulate test proofs soak zones lint types imports lock
.DEFAULT_GOAL := help

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

help:
	@echo 'make install   make .venv with everything the lock file names, and the carecall command'
	@echo 'make demo      the whole story on this machine, no account and no network'
	@echo 'make simulate  90 days of 20 operations a day in an invented world; every ring watched'
	@echo 'make test      lint, types, import direction and all quick tests'
	@echo 'make proofs    the long tests, those of all time zones among them'
	@echo 'make soak      a thousand recordings heard in a row, memory watched; what the pipeline costs over the bare engine'
	@echo 'make zones     every time zone over every change of clocks from 2024 to 2030'
	@echo 'make lint      ruff only (types: mypy only, imports: import direction only)'
	@echo 'make lock      write requirements.lock anew from pyproject.toml (needs uv)'

install: $(STAMP)

# Redone only when what is to be installed has changed. An environment whose Python is gone or too old is made anew.
$(STAMP): requirements.lock pyproject.toml
	@set -eu; \
	fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; \
	if ! $(BIN)/python -c "$$fits" >/dev/null 2>&1; then \
	    python=''; \
	    for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	        if command -v "$$name" >/dev/null && "$$name" -c "$$fits" >/dev/null 2>&1; then python=$$name; break; fi; \
	    done; \
	    if [ -z "$$python" ]; then \
	        echo 'Carecall needs Python 3.11, 3.12 or 3.13, and none was found. Install one, or name it: make PYTHON=/path/to/python install' >&2; exit 1; \
	    fi; \
	    if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	        echo "$$python comes without its venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	    fi; \
	    rm -rf $(VENV); \
	    "$$python" -m venv $(VENV); \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	$(BIN)/carecall demo

# The long form: 1,800 patients. It prints its figures and how long it took.
simulate: install
	@mkdir -p var
	$(BIN)/carecall simulate --patients 1800 --days 90 --lines 4 --seed 1 --csv var/simulation.csv --picture var/simulation.svg

lint: install
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

# Each test process has a database server of its own, and takes whole files, the longest first (tests/conftest.py).
# The tests start programs some hundred times: without their byte code kept, each of these would compile all our
# modules anew.
test: PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
test: lint types imports
	$(PYTEST) -m 'not slow and not alone' --numprocesses=auto --dist=loadfile --no-loadscope-reorder
	$(PYTEST) -m 'alone and not slow'

proofs: install
	$(BIN)/python -m pytest -m 'slow and not soak'

# It says its figures: -s shows them.
soak: install
	$(BIN)/python -m pytest -s -m soak

zones: install
	$(BIN)/python -m pytest -m slow tests/scheduler/test_zones.py

lock:
	@command -v uv >/dev/null || { echo 'uv is needed for this: https://docs.astral.sh/uv' >&2; exit 1; }
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --extra dev --output-file requirements.lock pyproject.toml
