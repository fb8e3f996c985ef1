# make demo: from a fresh clone to a searched and answered question. make test: everything tested.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint docs site sizes resolve lowest fresh clean

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

# What others have installed already: each is resolved together with ragpg, nothing is installed.
PEERS = langchain-postgres llama-index-vector-stores-postgres pgvector-haystack vecs \
	langchain-anthropic pydantic-ai

resolve: .venv/.installed-dev
	@for peer in $(PEERS); do \
		echo $$peer | .venv/bin/uv pip compile pyproject.toml - --quiet --output-file /dev/null \
			|| exit 1; \
		echo "ragpg and $$peer"; \
	done

# The tests, with the oldest version of everything that pyproject.toml allows.
lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest -o filterwarnings=default $(TESTS)

.venv-lowest/.installed: pyproject.toml constraints.txt .venv/.installed-dev
	$(PYTHON) -m venv --clear .venv-lowest
	grep ^torch== constraints.txt > .venv-lowest/torch.txt
	.venv/bin/uv pip compile pyproject.toml $(foreach one,$(LOWEST_EXTRAS),--extra $(one)) --quiet \
		--resolution lowest-direct --only-binary :all: --constraint .venv-lowest/torch.txt \
		--annotation-style line --python .venv-lowest/bin/python \
		| grep 'pyproject.toml' > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		-c .venv-lowest/lowest.txt -c .venv-lowest/torch.txt -e '.[dev]'
	@touch $@

# The wheel in a new environment, by pip alone with the newest of everything; then the demo there.
# Only torch is given, since its default on Linux brings 4 GB for graphics cards.
fresh: .venv/.installed-dev
	rm -rf build/fresh
	.venv/bin/python -m build --wheel --no-isolation --outdir build/fresh .
	$(PYTHON) -m venv build/fresh/venv
	grep ^torch== constraints.txt > build/fresh/torch.txt
	build/fresh/venv/bin/python -m pip install --quiet --disable-pip-version-check \
		-c build/fresh/torch.txt "$$(ls build/fresh/*.whl)[offline]"
	build/fresh/venv/bin/python -m pip check
	cd build/fresh && export RAGPG_HOME="$$PWD/home" && venv/bin/ragpg demo && venv/bin/ragpg db stop

LOWEST_EXTRAS = cohere haystack langchain llamaindex mcp offline openai otel ui voyage

clean:
	rm -rf .venv .venv-lowest build

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
