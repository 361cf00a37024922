# Holdfast: run, test, measure. The work is done in image/bootstrap.sh and in Python; ARGS goes to the program started.
PY := .venv/bin/python
ARGS ?=

.PHONY: help run test bench lint clean

help:
	@echo "make run     install what is missing, then run the box here (Ctrl-C stops it)"
	@echo "make test    the same, then all tests          ARGS='tests/unit -x' for some of them"
	@echo "make bench   the same, then the benchmarks     ARGS=NAME for one of them"
	@echo "make lint    ruff, mypy and the import rules"
	@echo "make clean   remove .venv and caches from this checkout (the native build's cache stays)"

run:
	@exec image/bootstrap.sh run $(PY) -m appliance.app.supervisor

test:
	@exec image/bootstrap.sh test $(PY) -m pytest $(ARGS)

bench:
	@exec image/bootstrap.sh test $(PY) -m tests.bench $(ARGS)

lint:
	@image/bootstrap.sh test
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
