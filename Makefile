# The commands of the README. `make env` needs Python 3.11 and no compiler.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
PINNED := --constraint requirements/env.txt
# its Python files, which are the same in all wheels
XTCOCOTOOLS := --no-deps --only-binary :all: --python-version 3.11 --platform manylinux1_x86_64 \
    --upgrade xtcocotools
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

# threads of processes beside one another wait asleep
export OMP_WAIT_POLICY ?= PASSIVE
# Some images forbid Python to keep bytecode; then each process of a test compiles torch and MMPose
# anew, which takes 10 seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help env test test-fast test-slow test-long lint types demo docs clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## create .venv with everything that is needed (once)

# docs/installation.md explains the commands. Nothing is compiled to bytecode here, which takes long;
# Python does it for the modules that are used.
$(STAMP): $(addprefix requirements/,env.txt openmmlab.txt openmmlab_needs.txt runtime.txt dev.txt) \
          setup.py pyproject.toml
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing torch and the rest (about two minutes)"
	@$(PIP) --requirement requirements/openmmlab_needs.txt --requirement requirements/runtime.txt \
	    --requirement requirements/dev.txt $(PINNED)
	@echo "Installing MMPose, and this package"
	@$(PIP) --no-deps --only-binary :all: --requirement requirements/openmmlab.txt $(PINNED)
	@$(PIP) $(XTCOCOTOOLS) --target \
	    "$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")" $(PINNED)
	@$(PIP) --no-deps --editable .
	@touch $@

lint: $(STAMP) ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## check types
	$(BIN)/mypy

test-fast: $(STAMP) ## run the fast tests and doctests
	$(PYTEST) -m "not slow" --doctest-modules --numprocesses 2 --dist worksteal \
	    swahr_mmpose tests

test: lint types test-fast ## style, types and fast tests

test-slow: $(STAMP) ## run the slow tests (training, command lines, ONNX, browser), build the documentation
	$(PYTEST) -m "slow and not long" --numprocesses 2 --dist loadfile --durations 30 tests
	$(MAKE) docs

test-long: $(STAMP) ## fuzz, kill and watch memory for longer than the slow tests do
	$(PYTEST) -m long --numprocesses 2 -rP tests

demo: $(STAMP) ## find drawn people, then train a small network
	$(BIN)/python tools/demo.py

docs: $(STAMP) ## build the documentation in docs/_build
	$(PIP) --requirement requirements/docs.txt
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

clean: ## remove .venv and build outputs
	rm -rf $(VENV) build dist *.egg-info
