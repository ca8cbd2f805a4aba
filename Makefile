# Every target sets up what it needs: `make demo` and `make test` work on a fresh clone.
VENV ?= .venv
PEERS ?= .venv-peers
MUTATION ?= .venv-mutation
PACKAGE ?= volplugin/storage
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
ZIPLINE_ROOT ?= $(CURDIR)/.zipline
ALLOW_CUDA ?=
TRAIN ?=
SOURCES := volplugin bundles strategies tests tools $(wildcard benchmarks)

# The tests measure numbers, not threads; two threads fighting over two cores only slow them down.
test test-slow test-cluster test-peers crash-kit fuzz bitflip mutate check pages notebook: export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help install runtime demo test test-slow test-cluster test-peers crash-kit fuzz bitflip mutate check lint format bench bench-accuracy bench-covariance bench-reports picture layers pages notebook docs wheel clean
.DELETE_ON_ERROR:

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*##/  make \1\t/p' Makefile | expand -t 26

install: $(VENV)/.dev  ## Create .venv with the package and the development tools

runtime: $(VENV)/.runtime  ## Create .venv with the package alone

demo: export ZIPLINE_ROOT := $(ZIPLINE_ROOT)
demo: $(VENV)/.runtime  ## Ingest, backtest and report on the shipped prices, into demo-output/; TRAIN=1 to train first
	$(BIN)/volplugin demo --out demo-output $(if $(TRAIN),--train)

test: $(VENV)/.dev  ## Run the fast tests, in as many processes as there are cores, four at most
	$(BIN)/python -m pytest -q -m "not slow" --numprocesses auto --maxprocesses 4 --dist worksteal

test-slow: $(VENV)/.dev  ## Run the slow tests
	$(BIN)/python -m pytest -q -m slow

test-cluster: $(VENV)/.dev  ## Run all tests on a dask cluster of two processes, killed workers included
	$(BIN)/python -m pytest -q tests/test_parallel.py tests/cli/test_cluster.py

test-peers: $(PEERS)/.peers  ## Run the tests that need skfolio, bt, cvxportfolio and other peers, in .venv-peers
	$(PEERS)/bin/python -m pytest -q tests/adapters/test_*.py tests/benchmarks tests/evaluation/covariance/test_oracle.py
	$(PEERS)/bin/python -m pytest -q tests/docs/test_pages.py -k "engines.md and python"

crash-kit: $(VENV)/.dev  ## Kill ingest, train and evaluate 120 times, and compare with undisturbed runs
	PYTHONPATH=tests $(BIN)/python -m kit.crash --kills 120

fuzz: $(VENV)/.dev  ## Feed the readers of files 100,000 inputs, most of them valid ones with something changed
	PYTHONPATH=tests $(BIN)/python -m kit.fuzz --inputs 105000

bitflip: $(VENV)/.dev  ## Flip 12,000 bits in files that the package writes, and read them again
	PYTHONPATH=tests $(BIN)/python -m kit.bitflip --flips 12000

mutate: $(MUTATION)/.mutation  ## Change 300 expressions of PACKAGE=volplugin/storage one at a time: do the tests notice?
	PYTHONPATH=tests $(MUTATION)/bin/python -m kit.mutate $(PACKAGE)

check: lint test  ## Run everything that a change must pass: lint, then the fast tests

lint: $(VENV)/.dev  ## Check format, style, types and import rules
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev  ## Format the code and fix what ruff can fix
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

COSTS = training walk_forward latency backtest cluster scale
EVALUATED = targeting engines correlation pretrained season ablation tests tails intervals bands transfer markets verdicts

bench bench-accuracy bench-covariance: export ZIPLINE_ROOT := $(ZIPLINE_ROOT)
bench: $(PEERS)/.peers  ## What everything costs, beside other libraries, in .venv-peers; half an hour
	$(PEERS)/bin/volplugin ingest dow30
	set -e; for name in $(COSTS); do echo; echo "== bench_$$name"; $(PEERS)/bin/python benchmarks/bench_$$name.py; done

bench-accuracy: bench-covariance demo  ## Judge every forecast on the shipped prices again; takes hours
	set -e; for name in $(EVALUATED); do echo; echo "== bench_$$name"; $(PEERS)/bin/python benchmarks/bench_$$name.py; done

bench-covariance: $(PEERS)/.peers  ## Judge our forecast covariances beside those of other libraries, in .venv-peers
	$(PEERS)/bin/volplugin ingest dow30
	$(PEERS)/bin/python benchmarks/bench_covariance.py

bench-reports: $(PEERS)/.peers demo  ## Compare the demo's report with the reports of other libraries
	$(PEERS)/bin/python benchmarks/bench_reports.py demo-output

picture: demo  ## Draw the README's picture, docs/demo.png and demo-dark.png, from the demo's output
	$(BIN)/python tools/draw_picture.py demo-output docs/demo.png

layers: $(VENV)/.dev  ## Draw the layers of the package, docs/layers.svg, from pyproject.toml
	$(BIN)/python tools/draw_layers.py docs/layers.svg

pages notebook: export ZIPLINE_ROOT := $(ZIPLINE_ROOT)
pages: $(VENV)/.dev  ## Run the code of README and docs, and write what it prints into them
	$(BIN)/volplugin ingest dow30
	$(BIN)/python tests/pages.py README.md docs/*.md docs/api/*.md

notebook: $(VENV)/.dev  ## Run docs/volplugin.ipynb, and keep its outputs
	$(BIN)/volplugin ingest dow30
	$(BIN)/python tools/run_notebook.py docs/volplugin.ipynb

docs: $(VENV)/.dev demo-output/report.html  ## Build the documentation into site/, without network; open site/index.html
	$(BIN)/python tools/build_docs.py site demo-output

demo-output/report.html:
	$(MAKE) demo

wheel: $(VENV)/.dev  ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## Remove the environment and everything generated
	rm -rf $(VENV) $(PEERS) $(MUTATION) .zipline build dist demo-output site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

comma := ,

# The set is resolved once, with a dry run; refuse_cuda.py stops there or lists it, and that list is installed
# as it stands.
define install
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 found: install one, or name it: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --dry-run --report $(VENV)/resolved.json -c constraints.txt $(2) -e '$(1)'
	$(BIN)/python tools/refuse_cuda.py $(VENV)/resolved.json $(ALLOW_CUDA) > $(VENV)/resolved.txt
	$(PIP) install --quiet --no-deps -r $(VENV)/resolved.txt
endef

$(VENV)/.runtime: pyproject.toml setup.py constraints.txt
	$(call install,.)
	touch $@

$(VENV)/.dev: pyproject.toml setup.py constraints.txt
	$(call install,.[dev$(comma)docs])
	touch $(VENV)/.runtime $@

$(PEERS)/.peers: override VENV := $(PEERS)
$(PEERS)/.peers: pyproject.toml setup.py constraints.txt benchmarks/requirements.txt
	$(call install,.[dev$(comma)docs$(comma)skfolio$(comma)bt$(comma)cvxportfolio$(comma)ml4t],-r benchmarks/requirements.txt)
	touch $@

$(MUTATION)/.mutation: override VENV := $(MUTATION)
$(MUTATION)/.mutation: pyproject.toml setup.py constraints.txt
	$(call install,.[dev$(comma)docs],mutmut)
	touch $@
