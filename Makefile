# `make` lists the targets. Everything runs in .venv; only `make setup` uses the network, and only when
# something is missing or pyproject.toml or constraints.txt have changed.

PYTHON ?= python3
BIN := .venv/bin
# One more than cores: many tests wait for other programs.
WORKERS := $(shell echo $$(($$(nproc 2>/dev/null || echo 1) + 1)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage lint bench fuzz mutate soak clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: ## make .venv with the toolkit and its tools; install missing Debian packages (root or sudo)
	@PYTHON="$(PYTHON)" .ci/setup

demo: ## read a fictional card through a virtual reader; results in demo-out
	@PYTHON="$(PYTHON)" .ci/demo

test: setup ## run all tests on all cores (ARGS="..." for pytest)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

coverage: setup ## run all tests and say what of the code they do not reach
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

lint: setup ## check style, types and the arrows between packages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure what the documentation claims
	@set -e; for script in $(wildcard bench/*.py); do echo "== $$script"; $(BIN)/python "$$script"; done

fuzz: setup ## fuzz the card and every parser (RUNS=20000 for each target; network once, for atheris)
	@$(BIN)/python -c "import atheris" 2>/dev/null || $(BIN)/python -m pip install -q -c constraints.txt -e ".[fuzz]"
	$(BIN)/python -m tests.fuzz --runs $(or $(RUNS),20000)

mutate: setup ## change every constant that card and reader share; a vector or transcript must notice each
	$(BIN)/python -m tests.mutation

soak: setup ## insertions with faults, removal at every exchange, PIN states, issuing cut everywhere (half an hour)
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.flow.test_piv_state --steps 100000
	ECITIZEN_SOAK=1 $(BIN)/python -m pytest -q -s tests/flow/test_issue_cuts.py tests/flow/test_change_cuts.py \
		tests/flow/test_issue_bad_link.py tests/flow/test_issue_power_cut.py

clean: ## remove what tests, builds and the demo left, and have `setup` look again
	rm -rf build dist demo-out .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -f .venv/.ready
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
