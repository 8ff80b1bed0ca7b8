# Each target does its own set-up: a virtual environment in .venv with the pinned packages.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
c ?= help

.PHONY: install demo manage test lint screenshots bench chaos lock clean

install: .venv/installed

demo: .venv/installed
	exec $(BIN)/python -m portal.demo

manage: .venv/installed
	@exec $(BIN)/python -m portal.demo manage $(c)

test: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 $(args)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	DJANGO_SETTINGS_MODULE=tests.settings DATABASE_URL=sqlite://:memory: \
		$(BIN)/python -m django makemigrations --check --dry-run keys_app audit
	$(BIN)/djlint --quiet --lint templates

screenshots: .venv/installed-dev
	$(BIN)/python -m tests.browser.screenshots

bench: .venv/installed-dev
	$(BIN)/python -m tests.bench.picker
	$(BIN)/python -m tests.bench.overload
	$(BIN)/python -m tests.bench.audit $(if $(events),--events $(events))

chaos: .venv/installed-dev
	$(BIN)/python -m tests.chaos $(args)

# Writes the full set of versions with hashes from pyproject.toml.
lock:
	$(PIP) install uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements-dev.txt

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	$(PIP) install -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt | .venv/bin/python
	$(PIP) install -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv var
