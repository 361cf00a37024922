# Holdfast: run, test, measure. The work is done in image/bootstrap.sh and in Python; ARGS goes to the program started.
PY := .venv/bin/python
ARGS ?=
WORKERS ?= 2

.PHONY: help run test bench lint screenshots messages deb clean

help:
	@echo "make run     install what is missing, then run the box here (Ctrl-C stops it)"
	@echo "make test    the same, then all tests          ARGS='tests/unit -x' for some of them, WORKERS=0 for one after the other"
	@echo "make bench   the same, then the benchmarks     ARGS=NAME for one of them"
	@echo "make lint    ruff, mypy and the import rules"
	@echo "make screenshots  pictures of every page in build/screenshots (ARGS=FOLDER for another)"
	@echo "make messages     the pages' texts into webui/translations, for translators"
	@echo "make deb     a Debian package of the box in build/"
	@echo "make clean   remove .venv and caches from this checkout (the native build's cache stays)"

run:
	@exec image/bootstrap.sh run $(PY) -m appliance.app.supervisor

test:  # files in their order, the long ones first: both workers end together
	@exec image/bootstrap.sh test $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench:
	@exec image/bootstrap.sh test $(PY) -m tests.bench $(ARGS)

lint:
	@image/bootstrap.sh test
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports

screenshots:
	@exec image/bootstrap.sh test $(PY) -m tests.screenshots $(ARGS)

messages:
	@image/bootstrap.sh test
	@mkdir -p build
	.venv/bin/pybabel -q extract -F webui/translations/babel.cfg -k gettext -k ngettext:1,2 -k lazy_gettext -k _l --no-location --sort-output --project=Holdfast -o build/messages.pot webui appliance/worker
	for language in fr it sv; do .venv/bin/pybabel -q update -i build/messages.pot -d webui/translations -l $$language --init-missing --no-fuzzy-matching --ignore-obsolete; done
	sed -i -E '1,/^$$/{/^msg|^"(Language|Content-Type|Plural-Forms):|^$$/!d}' webui/translations/*/LC_MESSAGES/messages.po  # no dates, no addresses

deb:
	@exec image/bootstrap.sh run $(PY) image/deb/build.py $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
