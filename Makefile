# The commands of the README. `make env` needs Python 3.11 and gcc only.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINNED := --constraint requirements/env.txt
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

.PHONY: env test test-fast test-slow lint types demo docs clean

env: $(STAMP)

# mmcv is built without pip's cache: a cached wheel of it is taken for any torch, and fails with all
# but its own. No CUDA operator of it is needed, so the build never looks for a compiler of them.
$(STAMP): requirements/build.txt requirements/runtime.txt requirements/mminstall.txt \
          requirements/dev.txt requirements/env.txt setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing torch (about a minute)"
	$(PIP) --requirement requirements/build.txt $(PINNED)
	@echo "Installing mmcv (built from source unless a wheel is found: about 7 minutes on 2 cores)"
	CUDA_VISIBLE_DEVICES= $(PIP) --no-cache-dir --no-build-isolation mmcv $(PINNED)
	@echo "Installing the rest"
	$(PIP) --no-build-isolation --requirement requirements/runtime.txt \
	    --requirement requirements/mminstall.txt --requirement requirements/dev.txt $(PINNED)
	# the same OpenCV without windows, which needs no display libraries, in place of mmcv's
	$(PIP) --no-deps --force-reinstall opencv-python-headless $(PINNED)
	$(PIP) --no-deps --editable .
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

test-fast: $(STAMP)
	$(PYTEST) -m "not slow" --doctest-modules --numprocesses 2 swahr_mmpose tests

test: lint types test-fast

test-slow: $(STAMP)
	$(PYTEST) -m slow tests

demo: $(STAMP)
	$(BIN)/python tools/demo.py

docs: $(STAMP)
	$(PIP) --requirement requirements/docs.txt
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

clean:
	rm -rf $(VENV) build dist *.egg-info
