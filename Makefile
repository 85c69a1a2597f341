# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A worker per core; each takes up to 2 GB. Tests of a module, and of all ROS graphs, share a worker.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadgroup
SOURCES := src tests benchmarks launch notebooks scripts setup.py

.DEFAULT_GOAL := help
.PHONY: help install demo test quick lint generate docs format benchmark clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

install: $(VENV)/.installed ## Create .venv and install cvdl into it, with what nodes and replays need

demo: $(VENV)/.simulating ## Simulate a tabletop, replay it through the pipeline and show the results
	$(BIN)/cvdl demo

test: lint ## Lint, then run all tests
	scripts/with-ros.sh $(BIN)/python -m pytest $(PARALLEL)

quick: lint ## Lint, then run the tests that are fast and need neither ROS nor recordings
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not ros and not real'

lint: $(VENV)/.developing ## Check style and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

generate: $(VENV)/.developing ## Write config/perception.yaml and the tables of README and docs
	$(BIN)/python scripts/generate.py

docs: $(VENV)/.developing ## Build the site of the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

format: $(VENV)/.developing ## Fix what ruff can fix by itself
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

benchmark: $(VENV)/.simulating ## Compare the segmentation with two baselines on real scenes
	$(BIN)/python benchmarks/segmentation.py
	$(BIN)/python benchmarks/clicks.py
	$(BIN)/python benchmarks/outlines.py

clean: ## Remove .venv and all build results
	find src -name '*.nb[ci]' -delete
	rm -rf $(VENV) build dist demo site src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made: scripts/system-libraries.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "error: cvdl needs Python 3.10 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
			"Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@scripts/system-libraries.sh $(PYTHON)
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.installed: $(VENV)/.made setup.py pyproject.toml
	@echo "installing cvdl and what it needs into $(VENV) (a minute the first time)"
	@$(BIN)/python -m pip install --editable .
	@$(BIN)/cvdl compile
	@touch $@

$(VENV)/.simulating: $(VENV)/.made setup.py pyproject.toml
	@scripts/system-libraries.sh $(PYTHON) open3d
	@echo "installing cvdl and what it and its simulation need into $(VENV) (a minute the first time)"
	@$(BIN)/python -m pip install --editable '.[sim]'
	@touch $@ $(VENV)/.installed

$(VENV)/.developing: $(VENV)/.made setup.py pyproject.toml
	@scripts/system-libraries.sh $(PYTHON) open3d
	@echo "installing cvdl, all that it can use and the tools of its tests into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --editable '.[dev]'
	@scripts/with-ros.sh $(BIN)/python -c 'import rclpy' 2>/dev/null || \
		$(BIN)/python -m pip install --editable '.[live]'
	@scripts/with-ros.sh $(BIN)/python -c \
		'from importlib.util import find_spec; import cvdl.ros.interfaces as i; \
		find_spec("rclpy") is None or i.generate_messages()'
	@touch $@ $(VENV)/.simulating $(VENV)/.installed
