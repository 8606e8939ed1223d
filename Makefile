# `make help` lists the targets. Everything runs in .venv, which `make setup` makes; nothing else on the machine changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= auto
SECONDS ?= 60
COUNT  ?= 100000

.PHONY: help setup run check test test-pure test-real bench bench-locks oracle fix-rate pyz docs console site fuzz fuzz-images fuzz-sanitized format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## .venv with envdoctor (editable) and the tools of the dev group

# Dependency groups need pip 25.1; the pip that comes with an older Python is older.
$(READY): pyproject.toml hatch_build.py $(wildcard speed/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(f"error: {sys.executable} is Python {sys.version.split()[0]}; 3.10 or newer is needed: make PYTHON=python3.12 …" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install -qq --editable . --group dev
	@touch $@

run: $(READY) ## envdoctor check on TARGET (default: what envdoctor chooses, .venv in a fresh clone)
	$(BIN)/envdoctor check $(TARGET)

check: $(READY) ## ruff, formatting, mypy --strict, generated docs up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

test: $(READY) ## all tests but those that build large environments
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not real" $(ARGS)

test-pure: $(READY) ## the tests of collectors, loader and their rules without the extension in C
	ENVDOCTOR_PURE=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not real" tests/collect tests/loader tests/test_hostile.py \
	  tests/test_cache.py $(wildcard tests/rules/test_pkg*.py tests/rules/test_lib*.py tests/rules/test_arc*.py) $(ARGS)

test-real: $(READY) ## healthy sets of real distributions; SET=web,geo and PY=3.11,3.13 choose
	ENVDOCTOR_SET="$(SET)" ENVDOCTOR_PY="$(PY)" $(BIN)/python -m pytest -m real -s tests/real $(ARGS)

bench: $(READY) ## CPU, wall, memory and system calls beside pip check and uv pip check; ROUNDS=5
	$(BIN)/python -m benchmarks.bench $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

bench-locks: $(READY) ## envdoctor lock beside conda-lock on real metadata of conda-forge, five platforms; ROUNDS=5
	$(BIN)/python -m benchmarks.locks $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

oracle: $(READY) ## imports everything of ENV for real, beside check's verdict; or SET=geo PYTHON=python3.13, or PLANT=1
	$(BIN)/python -m benchmarks.oracle $(ENV) $(if $(SET),--build $(SET) --python $(shell command -v $(PYTHON))) $(if $(PLANT),--plant) $(ARGS)

fix-rate: $(READY) ## plants 40 and more faults, carries out fix --apply --yes, shows the table; then kills fixes: KILLS=50
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.mend.rate $(ARGS)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.mend.kills --count $(or $(KILLS),50)

pyz: $(READY) ## dist/envdoctor.pyz: one file for machines with nothing but Python; ARGS=--here for this one alone
	$(BIN)/python tools/pyz.py $(ARGS)

docs: $(READY) ## rule pages, command-line reference, schemas and README tables, from the code
	$(BIN)/python docs/generate.py

console: $(READY) ## console blocks of README and docs, and docs/terminal.svg, from what really comes of the commands
	$(BIN)/python docs/generate.py --console

# The site's tools stand apart from .venv: no test needs them.
site: mkdocs.yml ## the documentation as a site: .work/site/index.html
	@test -e .work/docs-tools/.ready -a ! pyproject.toml -nt .work/docs-tools/.ready || \
	  { $(PYTHON) -m venv .work/docs-tools && .work/docs-tools/bin/python -m pip install -qq --upgrade 'pip>=25.1' \
	  && .work/docs-tools/bin/python -m pip install -qq --group docs && touch .work/docs-tools/.ready; }
	NO_MKDOCS_2_WARNING=1 .work/docs-tools/bin/python -m mkdocs build --quiet --strict

fuzz: $(READY) ## random damage to every parser; SECONDS=60, SEED=…
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

fuzz-images: $(READY) ## random damage to native files and library caches alone: COUNT=100000 of each format
	$(BIN)/python tests/fuzz/images.py --count $(COUNT)

# The extension is built anew in the tree, with the sanitizers, and afterwards without.
fuzz-sanitized: $(READY) ## the differential tests and fuzzing of the readers in C under ASan and UBSan; COUNT=100000
	CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1" $(BIN)/python hatch_build.py
	status=0; export LD_PRELOAD=$$($${CC:-gcc} -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0; \
	  $(BIN)/python -m pytest -q tests/test_speed*.py && $(BIN)/python tests/fuzz/images.py --count $(COUNT) --format elf || status=1; \
	  unset LD_PRELOAD; $(BIN)/python hatch_build.py; exit $$status

format: $(READY) ## ruff's formatting and safe fixes, in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## removes .venv, caches and built environments
	rm -rf $(VENV) .work dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
