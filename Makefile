# Two commands matter: `make demo` shows it, `make test` proves it. Both work on a bare machine with Python 3.11+.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
LOCKED = constraints.txt constraints-build.txt constraints-dev.txt
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate
PYTEST = $(BIN)/python -m pytest
# Tests that judge time run first and one by one, all others on every core; both run, and either's failure is the target's.
PARALLEL = --numprocesses logical --maxprocesses 8 --dist worksteal
# Only these files are read for them: reading all tests takes as long as the tests that judge time.
ALONE = $(shell grep -rl 'mark\.alone' tests --include='test_*.py')
SLOWEST = --durations=20 --durations-min=1

# Tests start a hundred processes: without bytecode each of them would compile its sources again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-all test-docker missing site lint install weights lock clean

# pip knows no hash of a folder, so the package itself goes second: of it nothing is fetched. Of what pip says, the names of the
# packages are passed on, and its exit code by way of a file.
TOLD = | awk '/^Collecting/ {sub(/[=;].*/, "", $$2); printf " %s", $$2; fflush()} /^Installing/ {printf "\n      unpacking them"; fflush()} END {print ""}'
$(VENV)/.installed: pyproject.toml $(LOCKED) Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PPAI needs Python 3.11 or newer; $(PYTHON) is older. Try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@echo "[1/4] making the virtual environment $(VENV); all four steps together take about a minute, on a busy machine a few"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@printf '[2/4] fetching packages:'
	@{ $(PIP) --require-hashes --no-deps $(LOCKED:%=-r %); echo $$? > $(VENV)/.pip; } $(TOLD); exit $$(cat $(VENV)/.pip)
	@echo "[3/4] PPAI itself"
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@echo "[4/4] checking that the packages fit each other"
	@$(BIN)/python -m pip check
	@touch $@

install: $(VENV)/.installed

weights: install
	@$(BIN)/ppai pull smollm2 encoder

demo: install weights
	@$(BIN)/ppai demo

test: install weights lint
	@failed=0; $(PYTEST) -m "alone and not slow" $(ALONE) || failed=$$?; $(PYTEST) $(PARALLEL) -m "not alone and not slow" || failed=$$?; exit $$failed

# What takes an hour begins with what may take longest (tests/conftest.py). Slow tests are named when they begin and end.
test-all: install missing weights lint
	@$(PIP) --quiet --no-build-isolation -c constraints-train.txt -e '.[test,dev,train,bench,multilingual,browser,punch]'
	@$(BIN)/python -m tests.e2e.vllm_env
	@$(BIN)/python -m tests.e2e.clients.environments
	@failed=0; began=$$(date +%s); \
	echo "slow tests side by side: the first of them take minutes each"; \
	$(PYTEST) -v $(SLOWEST) $(PARALLEL) -m "slow and not alone" || failed=$$?; \
	echo "tests that need the machine to themselves, one by one: the soak alone takes a quarter of an hour"; \
	$(PYTEST) -v $(SLOWEST) -m alone || failed=$$?; \
	echo "all others"; \
	$(PYTEST) $(SLOWEST) $(PARALLEL) -m "not slow and not alone" || failed=$$?; \
	echo "test-all took $$((($$(date +%s) - began) / 60)) minutes"; exit $$failed

# The pages as a site, to be read from disk or served: `python3 -m http.server -d site`. Nothing is loaded from elsewhere.
site: install
	@$(BIN)/mkdocs build --quiet && echo "site/index.html"

# Needs root and Debian's packages docker.io and debootstrap; makes its own base image, in minutes the first time.
test-docker: install weights
	@$(BIN)/python -m tests.e2e.vllm_env
	@PPAI_TEST_DOCKER=1 $(PYTEST) -v -s --timeout 1800 tests/docker

missing: install
	@$(BIN)/python -m tests.missing

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Pins each package and its files' sha256. What is pinned stays, unless its line is deleted first. Needs uv. The last file
# leaves out what the first has for every platform.
lock:
	$(LOCK) pyproject.toml -o constraints.txt
	printf 'hatchling\neditables\n' | $(LOCK) - -o constraints-build.txt
	$(LOCK) pyproject.toml --extra test --extra dev --extra bench --extra agents --extra otel --extra docs -o constraints-dev.txt \
		$$(sed -n 's/^\([a-z0-9.-]*\)==[^;]*$$/--no-emit-package \1/p' constraints.txt)

clean:
	rm -rf $(VENV) .venv-* .work .mypy_cache .ruff_cache .pytest_cache
