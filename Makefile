# Two commands show everything: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Tests start hundreds of processes: each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo ready compiled quick test soak mutants lint docs bench backtest clean

demo: $(VENV)/.installed
	@PATH="$(abspath $(BIN)):$$PATH" bash examples/demo.sh

# Four at once on two cores: many tests wait for what they started.
test: $(VENV)/.tests
	$(BIN)/python -m pytest -n 4 --dist worksteal -q -m "not slow and not clients and not timed"

# Each worker of `make test` would compile all tests, at the same time: eight seconds of CPU that one can spend before.
compiled: $(VENV)/.tests
	@said=$$($(BIN)/python -m pytest --collect-only -q) || { echo "$$said" | tail -50; exit 1; }

# What is worth running after every edit: less than a minute, that is 110 s of CPU on two cores. Of the rooms in which most
# tests run whole commands, or processes, servers and days, nothing: the golden cases and every command of
# test_every_command.py do. Of the others all files but those that take the longest.
LENGTHY := $(addprefix tests/,api backends cli contracts faults operations pipelines simulator startup) \
           $(addprefix tests/,cloud/test_bounds.py cloud/test_deadline.py config/test_any_value.py cost/test_cost.py) \
           $(addprefix tests/,cost/test_what_if.py planning/test_properties.py pricing/test_entry_range.py) \
           $(addprefix tests/,pricing/test_changed_bids.py pricing/test_sizes.py documents/test_json_text.py) \
           $(addprefix tests/,reports/test_browser.py reports/test_markdown.py reports/test_market.py) \
           $(addprefix tests/,config/test_schema.py pricing/test_competition.py reports/test_raised_limits.py) \
           $(addprefix tests/,state/test_form.py state/test_rekey.py test_docs.py test_examples.py test_pictures.py)

quick: $(VENV)/.tests
	$(BIN)/python -m pytest -n 2 -q -m "not slow and not clients and not timed" $(LENGTHY:%=--ignore %)
	@echo "left out: $(LENGTHY) (make test)"

# The long runs, which CI leaves out, and every property with ten times the examples, others at each run.
soak: $(VENV)/.tests
	$(BIN)/python -m pytest -n 2 -q -rP -m "slow or clients or hypothesis" --hypothesis-profile=soak -o timeout=0

# Mistakes made on purpose: a test must fail for each.
mutants: $(VENV)/.tests
	$(BIN)/python -m tests.mutants

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/typed/mypy.ini tests/typed
	MYPYPATH=docs/site:docs/pictures $(BIN)/mypy docs/site/links.py docs/site/reference docs/pictures

# The docs as a site, with the reference made from the code and pictures of what is printed now: build/site/index.html.
# Fails on a link that leads nowhere.
docs: $(VENV)/.docs
	$(BIN)/python docs/pictures/make.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/site/mkdocs.yml

# What is measured, best on a quiet machine: the table, then the tests that hold a figure.
bench: $(VENV)/.tests
	$(BIN)/python -m tests.bench
	$(BIN)/python -m pytest -q -m timed

# How well forecasts would have held: DATA=dir of price streams (csv or csv.gz: timestamp,dollars); without it, kept-back ones.
backtest: $(VENV)/.installed
	$(BIN)/python -m tests.backtest $(DATA)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "flowplan needs Python 3.11 or newer; say PYTHON=python3.12 make ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# All of it at once, which takes as long as one part of it: what CI installs.
ready: $(VENV)/.ready

$(VENV)/.ready: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,docs,lint]'
	@touch $(VENV)/.installed
	@touch $(VENV)/.tests $(VENV)/.docs $(VENV)/.lint $@

$(VENV)/.tests: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

$(VENV)/.lint: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[lint]'
	@touch $@
