# Patchyard. Two commands do everything from a fresh checkout: make demo, make test.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export PATCHYARD_HOME ?= $(CURDIR)/.patchyard
export PREFECT_HOME ?= $(PATCHYARD_HOME)/prefect

.PHONY: help setup demo demo-down test test-fast test-slow windows-check check bench deploy server worker clean

help:  ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup: .venv/.ready  ## Make the environment from the lock file

.venv/.ready: requirements.lock pyproject.toml scripts/setup
	@scripts/setup "$(PYTHON)"

demo: setup $(PREFECT_HOME)  ## Patch Linux machines (real ones as root) and simulated Windows machines
	@PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL=ERROR $(BIN)/python -m demo

$(PREFECT_HOME):
	@mkdir -p $@

demo-down: setup  ## End the demo's machines and its Prefect server
	@$(BIN)/python -m demo --down

test: setup  ## Pass the tests, the real machines' included (root)
	@scripts/test

test-fast: setup  ## Pass the pure tests, in seconds
	@$(BIN)/pytest -q tests/domain tests/managers tests/test_layers.py

test-slow: setup  ## Pass the tests that take minutes
	@scripts/test slow

windows-check: setup  ## Ask a Windows machine all that is only read: HOST=, USER=, PASSWORD=env:NAME
	@scripts/windows-check HOST="$(HOST)" USER="$(if $(filter command line,$(origin USER)),$(USER))" \
	  PASSWORD="$(PASSWORD)" AUTH="$(AUTH)" SCHEME="$(SCHEME)" PORT="$(PORT)" CA="$(CA)" \
	  CERTIFICATE="$(CERTIFICATE)" CERTIFICATE_KEY="$(CERTIFICATE_KEY)" \
	  PASSPHRASE="$(PASSPHRASE)" KERBEROS_HOSTNAME="$(KERBEROS_HOSTNAME)"

check: setup  ## Style, types, layers
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/pytest -q tests/test_layers.py

bench: setup  ## Measure the controller beside Ansible and bare SSH
	@scripts/bench

server: setup  ## Start a Prefect server on this machine if none answers
	@$(BIN)/python -m flows.server start

deploy: setup  ## Register the deployments of prefect.yaml with the running server
	@scripts/deploy

worker: setup  ## Start a worker for the deployments
	@scripts/worker

clean:  ## Remove what was made here, machines ended first
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m demo --down
	@rm -rf .venv .yard .yard-simulated .bench
