# Two commands: `make run` trains, weighs and releases; `make test` checks the project.
# People and CI type the same. Other targets: check, lint, format, report, lock, docs, bench, clean.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
# Says where the environment was made: it works nowhere else.
INSTALLED := $(VENV)/.installed

.DELETE_ON_ERROR:
.PHONY: run test lint format report check lock docs bench clean

run: $(INSTALLED)
	weighbridge setup
	snakemake --cores all

# Made anew only where the lock or the project's own metadata changes, and from nothing where the project was moved.
ifneq ($(shell test -x $(VENV)/bin/python && cat $(INSTALLED) 2>/dev/null),$(abspath $(VENV)))
CLEAR := $(if $(wildcard $(INSTALLED)),--clear)
.PHONY: $(INSTALLED)
endif
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("found Python %d.%d, expected 3.11 to 3.13; try: make run PYTHON=python3.11" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	$(PYTHON) -m venv $(CLEAR) $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	echo '$(abspath $(VENV))' > $@

# Files of tests in parallel: each worker makes its own small project to copy from.
test: lint
	pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	python -m weighbridge.reference --check

format: $(INSTALLED)
	ruff check --fix-only .
	ruff format .
	snakefmt Snakefile workflow

check: $(INSTALLED)
	weighbridge check

report: $(INSTALLED)
	snakemake --report report.html

docs: $(INSTALLED)
	python -m weighbridge.reference

# Pins every version. torch without its local part (+cpu), which no public registry has.
lock: $(INSTALLED)
	pip-compile --quiet --extra test --strip-extras --allow-unsafe --no-annotate --no-header --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host --no-emit-options --upgrade -o requirements.lock pyproject.toml
	sed -i -E 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' requirements.lock

bench: $(INSTALLED)
	test -d benchmarks || { echo 'benchmarks are the template'"'"'s, not a project'"'"'s' >&2; exit 1; }
	for name in $$(python -m benchmarks); do python -m benchmarks.$$name || exit 1; done

clean:
	rm -rf results logs models/plots models/metrics.yaml models/predictions.parquet .snakemake
