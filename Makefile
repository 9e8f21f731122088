# Every target sets up what it needs. PYTHON may name another interpreter: make run PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
EXAMPLE := examples/online_retail
HOME_DIR ?= data
# dbt without a home: it reads the project, and opens no database.
PARSED := .venv/dbt
DBT_DIRS := --project-dir dbt_project --profiles-dir dbt_project/lint --target-path $(CURDIR)/$(PARSED) --log-path $(PARSED)

.DEFAULT_GOAL := help
.PHONY: help setup run dev test test-slow lint format types validate docs bench lock clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# The stamp lies in the environment: deleting .venv starts anew.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else "Keeprate needs Python 3.11, 3.12 or 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --compile -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

setup: .venv/ready  ## Install everything into .venv, from the lock

run: setup  ## Run the night on the bundled example and say where to look
	@mkdir -p $(HOME_DIR)/landing/online_retail
	@cmp -s $(EXAMPLE)/online_retail.csv.gz $(HOME_DIR)/landing/online_retail/online_retail.csv.gz || \
		cp $(EXAMPLE)/online_retail.csv.gz $(HOME_DIR)/landing/online_retail/
	$(BIN)/keeprate run --home $(HOME_DIR) --config $(EXAMPLE)/business.yml --as-of 2011-12-09

dev: setup  ## Open the asset graph at http://127.0.0.1:3000 (stop with Ctrl-C)
	$(BIN)/keeprate dev --home $(HOME_DIR) --config $(EXAMPLE)/business.yml

test: setup  ## Run the fast tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

test-slow: setup  ## Run the long tests (or those of ONLY=…): scale, faults, many nights, a browser
	$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup --no-loadscope-reorder $(ONLY)

lint: setup  ## Check Python and SQL style, and what the tables say of themselves
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfluff lint --disable-progress-bar dbt_project/models
	$(BIN)/dbt --no-version-check --quiet parse $(DBT_DIRS)
	$(BIN)/dbt-score lint --manifest $(PARSED)/manifest.json --fail-project-under 9.5 --fail-any-item-under 9 --show failing-items

format: setup  ## Put Python and SQL into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --disable-progress-bar dbt_project/models

types: setup  ## Check types
	$(BIN)/mypy

validate: setup  ## Load the Dagster definitions as Dagster does
	KEEPRATE_HOME=$(HOME_DIR) KEEPRATE_CONFIG=$(EXAMPLE)/business.yml DAGSTER_DISABLE_TELEMETRY=1 \
		$(BIN)/dagster definitions validate -m orchestration.definitions

docs: setup  ## Write all tables, columns, figures and dashboards into one page to browse
	$(BIN)/dbt --no-version-check --quiet parse $(DBT_DIRS)
	$(BIN)/dbt --no-version-check --quiet docs generate --static --no-compile --empty-catalog $(DBT_DIRS)
	@mkdir -p $(HOME_DIR) && cp $(PARSED)/static_index.html $(HOME_DIR)/tables.html && echo "Open $(HOME_DIR)/tables.html in a browser."

bench: setup  ## Measure nights against their floors, and the models against a peer; CUSTOMERS=1000000 for a large company
	$(BIN)/python -m benchmarks $(if $(CUSTOMERS),--customers $(CUSTOMERS))

lock: setup  ## Resolve the dependencies anew
	$(PYTHON) -m venv .venv/lock && .venv/lock/bin/python -m pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --universal --all-extras --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --output-file requirements.lock

clean:  ## Remove the environment and the example's home
	rm -rf .venv $(HOME_DIR)
