# make demo: from a fresh clone to a searched and answered question. make test: everything tested.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint docs site sizes clean

demo: .venv/.installed
	.venv/bin/ragpg demo

test: .venv/.installed-dev
	.venv/bin/python -m pytest

lint: .venv/.installed-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

sizes: .venv/.installed-dev
	.venv/bin/python -m benchmarks.sizes

docs: .venv/.installed-dev
	.venv/bin/ragpg init --no-encoder
	.venv/bin/python -m docs.generate "$$(.venv/bin/ragpg db url)"
	.venv/bin/python -m docs.generate_python

site: .venv/.installed-dev
	.venv/bin/python -m docs.site

clean:
	rm -rf .venv build

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ragpg needs Python 3.11 or newer: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing ragpg and what it needs into .venv (a few minutes the first time)"
	$(PIP) -e '.[offline]'
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing ragpg, what it needs and what its tests need into .venv"
	$(PIP) -e '.[dev]'
	@touch $@
