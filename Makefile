PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check
INSTALLED := .venv/.installed
# What turns on Asterisk itself; the other tests of the lab are about stores, gateways and payments.
COMPAT := $(patsubst %,tests/lab/test_%.py,dialplan doctor faults matrix phones scenes shapes warnings)

# Commands start by the hundred in the tests, a third faster if nothing has to be compiled again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test compat check lab-docker docker-check bench clean lab

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(INSTALLED) lab ## Real calls on a real Asterisk, expected beside what happened
	@.venv/bin/python -m tests.lab.demo

# Tests wait more than they work, so three files are run at once. Calls on a real Asterisk go by the
# clock: beside nothing else. The slow tests, which load the machine themselves, one after the other.
test: $(INSTALLED) lab ## All tests; those that are slow only with CI=true
	.venv/bin/python -m pytest tests/unit tests/integration -m "not slow" -n 3 --dist loadfile \
	    --cov --cov-report=
	.venv/bin/python -m pytest tests/lab -m "not slow" -n 3 --dist loadfile --cov --cov-append \
	    $(if $(CI),--cov-report=)
	$(if $(CI),.venv/bin/python -m pytest -m slow --cov --cov-append)

compat: export COINBOX_SUITE = bullseye
compat: $(INSTALLED) ## The scenes, and the tests that turn on Asterisk itself, on Asterisk 16
	@if tests/lab/prepare; then \
	    .venv/bin/python -m pytest $(COMPAT) -m "not slow" -n 2 --dist loadfile; \
	elif [ $$? = 69 ]; then \
	    echo "make compat: SKIPPED, NOTHING WAS TRIED: Debian's $$COINBOX_SUITE cannot be had"; \
	else exit 1; fi

check: $(INSTALLED) ## Lint, types, import contracts, dead code
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/vulture

lab-docker: ## The scenes of the demo in containers
	@docker/lab

docker-check: $(INSTALLED) ## The same with an engine of its own, on a bare Debian as root
	@docker/check

bench: $(INSTALLED) lab ## Calls, decisions and operations a second, beside their limits; memory; hang-up times
	@command -v redis-benchmark >/dev/null || tests/lab/apt-install redis-tools
	@.venv/bin/python -m tests.bench

clean: ## Remove what the targets made in this folder (the Asterisk tree stays in the cache)
	rm -rf .venv .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

lab:
	@tests/lab/prepare

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	    || { echo "coinbox: needs Python 3.11 to 3.13; name it so: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tests/lab/apt-install python3-venv
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install --editable . --group test --group check
	@touch $@
