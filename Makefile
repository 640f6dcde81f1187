# Two commands matter: `make book` and `make test`. Both create .venv on a fresh machine.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cat requirements.txt requirements-no-deps.txt pyproject.toml | cksum | cut -d' ' -f1)

# Every run of the book uses one thread per chapter, so that printed numbers do not depend on the number of cores.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export PYTHONUNBUFFERED = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help env book test test-fast test-oldest faults lint types notebooks site pdf format clean distclean

help:  ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  PYTHON=python3.12 VENV=/elsewhere change the interpreter and the place of the environment"

$(STAMP):
	@echo "== environment: $(VENV) from requirements.txt"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"mfnet_lite needs Python 3.11 or newer and found {v[0]}.{v[1]}; run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar off --requirement requirements.txt
	$(BIN)/python -m pip install --progress-bar off --no-deps --requirement requirements-no-deps.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.installed-*
	@touch $@

env: $(STAMP)  ## create or refresh the environment

book: env  ## run every chapter and build the site into _build/html
	@echo "== chapters"
	$(BIN)/python -m scripts.book.run_chapters --out _build/executed
	@echo "== site"
	$(BIN)/python -m scripts.book.build_site --notebooks _build/executed

test: lint types  ## everything CI runs: lint, types, library, notebooks, site, wheel
	@echo "== tests of the library"
	$(BIN)/python -m pytest -m "not book" -n 2 --dist loadfile --no-loadscope-reorder
	@echo "== tests of the book: papermill, nbval, site, wheel"
	$(BIN)/python -m pytest tests/notebooks/test_runs.py tests/test_wheel.py -m book -v -n 2

test-fast: env  ## the library's tests only
	$(BIN)/python -m pytest -m "not book" -n 2 --dist loadfile --no-loadscope-reorder

test-oldest: env  ## the library's tests with the oldest versions that pyproject.toml allows
	@# in an environment of its own; scripts and notebooks run on the pins alone, and old releases warn of each other
	$(PYTHON) -m venv .venv-oldest
	$(BIN)/python -m scripts.environment.oldest > .venv-oldest/oldest.txt
	.venv-oldest/bin/python -m pip install --progress-bar off --requirement .venv-oldest/oldest.txt
	.venv-oldest/bin/python -m pytest -m "not book" -n 2 --dist loadfile --no-loadscope-reorder -o filterwarnings=default --ignore tests/scripts --ignore tests/notebooks

faults: env  ## damage files, fill disks, kill at random moments; writes the table of book/faults.md
	$(BIN)/python -m scripts.faults

lint: env  ## ruff: lint and format, in files and notebooks; normalised notebooks; generated cells
	@echo "== lint"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m scripts.book.badges --check
	$(BIN)/python -m scripts.book.architecture --check
	$(BIN)/python -m scripts.book.diagrams --check
	$(BIN)/python -m scripts.book.normalise_notebooks --check

types: env  ## mypy
	@echo "== types"
	$(BIN)/mypy

notebooks: env  ## run every chapter in full and rewrite the committed outputs
	$(BIN)/python -m scripts.book.badges
	$(BIN)/python -m scripts.book.run_chapters --in-place
	$(BIN)/python -m scripts.book.normalise_notebooks

site: env  ## build the site from the committed outputs, without running anything
	$(BIN)/python -m scripts.book.build_site --notebooks book

pdf: site  ## the site of make site as one PDF, _build/pdf/mfnet_lite.pdf; needs Chromium or Chrome
	$(BIN)/python -m scripts.book.pdf _build/html --out _build/pdf/mfnet_lite.pdf

format: env  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was built
	rm -rf _build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean  ## remove the environment as well
	rm -rf $(VENV) .venv-oldest
