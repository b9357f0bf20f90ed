# make demo   set up .venv and prune a small BERT on movie reviews, without the Hub
# make test   set up .venv and run the tests
# make lint   check style, formatting and the order of imports
# make oldest set up .venv-oldest with the oldest supported versions and run the tests there

export PATH := $(CURDIR)/.venv/bin:$(PATH)

demo: .venv/run
	bash run.sh reviews_0.10_mag

test: .venv/dev
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: .venv/dev
	ruff check
	ruff format --check
	lint-imports

oldest: .venv-oldest/run
	VIRTUAL_ENV=$(CURDIR)/.venv-oldest OMP_NUM_THREADS=1 \
		.venv-oldest/bin/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.venv/run: requirements.txt pyproject.toml
	python3 -m venv .venv
	pip install --quiet --requirement requirements.txt
	pip install --quiet --no-deps --editable .
	touch $@

.venv/dev: requirements-dev.txt .venv/run
	pip install --quiet --requirement requirements-dev.txt
	touch $@

.venv-oldest/run: requirements-oldest.txt requirements-dev.txt pyproject.toml
	python3 -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet --requirement requirements-oldest.txt
	grep '^pytest\|^hypothesis' requirements-dev.txt | .venv-oldest/bin/pip install --quiet --requirement /dev/stdin
	.venv-oldest/bin/pip install --quiet --no-deps --editable .
	touch $@

.PHONY: demo test lint oldest
