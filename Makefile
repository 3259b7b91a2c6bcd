# Sets up .venv from the hash-pinned lock and runs the product. Needs CPython 3.11 or later with pip, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export CSP_HOME ?= data

.PHONY: setup run test ui bench lint clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "CPython 3.11 or later is needed; say which with: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Exit code 3 means: done and published, but the summary names something for a person to look at.
run: $(READY)
	@$(BIN)/csp-pipeline run || test $$? -eq 3

test: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -p no:benchmark

ui: $(READY)
	@$(BIN)/csp-pipeline ui

bench: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -p no:benchmark -m long
	@$(BIN)/python -m csp_pipeline_tests.benchmarks

lint: $(READY)
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/sqlfluff lint -q csp_pipeline

clean:
	rm -rf $(VENV)
