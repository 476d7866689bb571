# make demo       forecast an invented territory from end to end, in build/demo-home
# make test       style, types, import rules and tests
# make campaign   every test, with many more generated examples (long)
# make lint       style, types and import rules only
# make lock       write constraints.txt anew
# make clean      remove what was built (the environment stays; `make distclean` removes it too)
#
# Needed: make and a Python 3.11 to 3.13 with venv and pip. All else goes into .venv; pip's own configuration is honoured.

# 3.11 first: constraints.txt is made with it. Each is run before it is taken, as a name on the path may lead nowhere.
CAN_RUN = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(CAN_RUN)' >/dev/null 2>&1 && { echo $$p; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
DEMO_HOME ?= build/demo-home
WORKERS ?= 2
PYTEST_ARGS ?=
FOLDERS := domain features models configs pipelines
LINKS := $(FOLDERS:%=.typing/isoloir/%)

.DEFAULT_GOAL := help
.PHONY: help demo test campaign lint lock clean distclean
.DELETE_ON_ERROR:

help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

demo: $(VENV)/installed
	@mkdir -p $(dir $(DEMO_HOME))
	$(BIN)/isoloir demo --home $(DEMO_HOME)

test: lint
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term --hypothesis-profile=ci $(PYTEST_ARGS)

campaign: $(VENV)/installed-dev
	$(BIN)/pytest -n $(WORKERS) -m "" --timeout=7200 --hypothesis-profile=campaign $(PYTEST_ARGS)

lint: $(VENV)/installed-dev $(LINKS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=.typing $(BIN)/lint-imports --no-logo

# The environment. Made again when the dependencies or their pins change; silent unless something goes wrong.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Isoloir needs Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip:" \
	  "none of python3.11, python3.12, python3.13, python3 is one ($$(python3 --version 2>&1 | head -n 1))." \
	  "Install one, or say: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

define install
	@echo "Installing $(1) into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --no-input -c constraints.txt -e '$(1)' >$(VENV)/install.log 2>&1 \
	  || { tail -n 40 $(VENV)/install.log >&2; echo "pip failed: the whole of it is in $(VENV)/install.log" >&2; exit 1; }
endef

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.)
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.[dev])
	@touch $(VENV)/installed $@

# Static tools see the folders under their real names, isoloir.<folder>, through links.
.typing/isoloir/%:
	@mkdir -p .typing/isoloir
	@ln -sfn ../../$* $@

# Pins are the newest versions that pyproject.toml allows on Python 3.11, without anything that names this machine.
lock:
	@rm -rf build/lock && mkdir -p build/lock
	@python3.11 -m venv build/lock/venv
	@build/lock/venv/bin/python -m pip install --quiet --no-input -e '.[dev]'
	@{ sed -n '/^#/p' constraints.txt; \
	   build/lock/venv/bin/python -m pip freeze --all \
	   | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$' | grep -viE '^(isoloir|pip)==' | LC_ALL=C sort -f; } > build/lock/constraints.txt
	@cp build/lock/constraints.txt constraints.txt
	@rm -rf build/lock
	@git diff --stat -- constraints.txt

clean:
	rm -rf build dist .typing *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage
	find $(FOLDERS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
