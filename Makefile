# Everything that a person does with this repository; `make` alone lists it.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check assurance dev shell token openapi matrix docs bench migration lock clean \
	python installed installed-dev

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "make %-10s %s\n", $$1, $$2 }'

run: installed ## set up, start PostgreSQL, create demo data once, serve; prints URL and users
	@$(BIN)/crm-api demo
	@exec $(BIN)/crm-api serve $(ARGS)

test: installed-dev ## everything that a stranger needs to trust it (ARGS='-k name' for a part)
	@$(BIN)/pytest -n auto $(ARGS)

check: installed-dev ## format, lint, types, contracts, golden files, specification (ONLY='mypy lint')
	@$(BIN)/python tools/check.py $(ONLY)

assurance: installed-dev ## faults, hostile input, schemathesis, races, in figures (PROFILE=long: hours)
	@$(BIN)/python tools/assurance.py $(or $(PROFILE),short)

dev: installed-dev ## serve, and start again on every change of the code
	@$(BIN)/crm-api demo
	@exec $(BIN)/crm-api serve --reload $(ARGS)

shell: installed-dev ## a Python prompt with the database, services and as_role("front_desk")
	@exec $(BIN)/crm-api shell $(ARGS)

token: installed ## an access token of a demo user: make token ROLE=manager [ORGANIZATION=radio]
	@$(BIN)/crm-api token --role "$(or $(ROLE),admin)" --organization "$(or $(ORGANIZATION),radio)"

openapi: installed ## write openapi/openapi.json anew
	@$(BIN)/crm-api openapi

matrix: installed ## write openapi/edit-matrix.txt anew
	@$(BIN)/crm-api matrix

docs: installed-dev ## write the tables of the documentation anew: settings, commands, codes
	@$(BIN)/python tools/docs.py

bench: installed-dev ## measure against the floors of the machine (minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

migration: installed-dev ## write the difference between models and migrations: m='add colour'
	@$(BIN)/python tools/migration.py "$(m)"

# The later files follow the first, so that one version of each package serves all.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate $(if $(UPGRADE),--upgrade)

lock: python ## write the lock files anew from pyproject.toml (UPGRADE=1 takes newer versions)
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; "$$tools/bin/pip" install -qq uv; PATH="$$tools/bin:$$PATH"; \
	$(COMPILE) pyproject.toml --group dev --group build -o requirements-dev.lock; \
	$(COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock; \
	$(COMPILE) --group pyproject.toml:build -c requirements-dev.lock -o requirements-build.lock; \
	$(COMPILE) --group pyproject.toml:generator -o requirements-generator.lock; \
	$(COMPILE) --group pyproject.toml:node -o requirements-node.lock

clean: ## remove what was built; data (.data) stays
	@rm -rf "$(VENV)" .venv-generator node_modules build dist .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache
	@find src tests migrations tools benchmarks -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version 2>&1) is too old: Python 3.11 or newer is needed. Name one: make PYTHON=python3.12 …" >&2; exit 1; }

installed: python
	@$(PYTHON) tools/install.py --venv "$(VENV)"

installed-dev: python
	@$(PYTHON) tools/install.py --venv "$(VENV)" --dev
