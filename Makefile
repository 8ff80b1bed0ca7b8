# Each target does its own set-up: a virtual environment in .venv with the pinned packages.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
c ?= help

.PHONY: install demo manage test coverage e2e lint lint-js screenshots bench lighthouse chaos fuzz lock clean

install: .venv/installed

demo: .venv/installed
	exec $(BIN)/python -m portal.demo

manage: .venv/installed
	@exec $(BIN)/python -m portal.demo manage $(c)

test: .venv/installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not e2e" $(args)

coverage: .venv/installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal --ignore tests/browser --ignore tests/chaos --cov --cov-report=

e2e: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m e2e $(args)

lint: .venv/installed-dev lint-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	DJANGO_SETTINGS_MODULE=tests.settings DATABASE_URL=sqlite://:memory: \
		$(BIN)/python -m django makemigrations --check --dry-run keys_app audit
	$(BIN)/djlint --quiet --lint templates

# ESLint over static/portal. Only this needs Node: where it is missing, the check is left out, but never with CI=true.
lint-js:
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		$(MAKE) --silent --no-print-directory tests/node/node_modules/installed && \
		tests/node/node_modules/.bin/eslint --max-warnings 0 -c tests/node/eslint.config.mjs static/portal; \
	elif [ "$$CI" = true ]; then \
		echo "ESLint needs node and npm" >&2; exit 1; \
	else \
		echo "Left out: ESLint. Install Node 18 or later, with npm, to check the JavaScript as well."; \
	fi

tests/node/node_modules/installed: tests/node/package-lock.json
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

screenshots: .venv/installed-dev
	$(BIN)/python -m tests.browser.screenshots
	PICTURES=var/screenshots $(BIN)/python -m pytest -n 2 tests/matrix/test_looks.py -k pictures

bench: .venv/installed-dev
	$(BIN)/python -m tests.bench.picker
	$(BIN)/python -m tests.bench.overload
	$(BIN)/python -m tests.bench.slow_clients
	$(BIN)/python -m tests.bench.issue
	$(BIN)/python -m tests.bench.audit $(if $(events),--events $(events))

lighthouse: .venv/installed-dev
	cd tests/node/lighthouse && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/python -m tests.bench.lighthouse $(args)

chaos: .venv/installed-dev
	$(BIN)/python -m tests.chaos $(args)

fuzz: .venv/installed-dev
	EVERY=1 $(BIN)/python -m pytest -n 2 tests/matrix/test_hostile.py --junitxml=var/fuzz.xml $(args)
	@grep -o 'name="requests" value="[0-9]*"' var/fuzz.xml | tr -dc '0-9\n' | awk '{n += $$1} END {print n " requests"}'

# Writes the full set of versions with hashes from pyproject.toml.
lock: | .venv/bin/python
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
