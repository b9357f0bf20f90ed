# make demo   set up .venv and prune a small BERT on movie reviews, without the Hub
# make test   set up .venv and run the tests
# make lint   check style, formatting and the order of imports

export PATH := $(CURDIR)/.venv/bin:$(PATH)

demo: .venv/run
	bash run.sh reviews_0.10_mag

test: .venv/dev
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile

lint: .venv/dev
	ruff check
	ruff format --check
	lint-imports

.venv/run: requirements.txt pyproject.toml
	python3 -m venv .venv
	pip install --quiet --requirement requirements.txt
	pip install --quiet --no-deps --editable .
	touch $@

.venv/dev: requirements-dev.txt .venv/run
	pip install --quiet --requirement requirements-dev.txt
	touch $@

.PHONY: demo test lint
