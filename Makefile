# Every target sets up what it needs: a virtual environment in .venv, made anew when pyproject.toml or constraints.txt change.

PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3 python,\
    $(if $(shell command -v $(p) >/dev/null 2>&1 && $(p) -c 'import sys; print(*[1] * (sys.version_info >= (3, 11)))' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Above eight the tests wait for the disk and each worker imports everything once more.
WORKERS_MAX ?= 8

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak firmware fuzz setup check-python
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## play a shipped recording through the whole monitor, no hardware needed
	@$(BIN)/posture demo

test: $(READY) ## run the tests
	@$(BIN)/pytest -n auto --maxprocesses $(WORKERS_MAX)

lint: $(READY) ## check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## measure speed and memory
	@$(BIN)/python -m benchmarks

soak: $(READY) ## nine hours of lost links in 18 minutes, sample by sample, and 30 kills; see --help of python -m benchmarks.soak
	@$(BIN)/python -m benchmarks.soak

firmware: $(READY) ## the sensor's C core under sanitizers, for the Cortex-M4, as ARM code
	@$(BIN)/python tests/firmware_tools.py

fuzz: $(READY) ## a million inputs to the Python decoders, as many to the C decoders; half a minute
	@$(BIN)/python tests/firmware_tools.py fuzz

setup: $(READY) ## only make the virtual environment

check-python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; install it, or run make PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is not Python 3.11 or newer; run make PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; install its venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2; exit 1; }

$(READY): pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory check-python
	@echo "Setting up $(VENV) (once; a minute or two) ..." >&2
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || rm -rf $(VENV)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --constraint constraints.txt --editable . --group dev
	@touch $@
