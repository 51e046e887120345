# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# They create .venv with everything inside; only where Python or OpenMP lack a part of the system, and you are
# root on Debian or Ubuntu, are Debian packages installed (python3-venv, libgomp1).

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo serve test check format lint types tests audit proto clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## Show the whole system at work; DATA=folder uses real data.
	@$(BIN)/feedrank demo $(if $(DATA),"$(DATA)")

serve: $(READY) ## Start the service with its defaults.
	@$(BIN)/feedrank serve

test: check tests ## Everything that CI runs: format, lint, types, tests.

check: format lint types

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/buf lint

types: $(READY)
	$(BIN)/mypy

# Side by side, in as many processes as there are cores. A file's tests stay together, since they share servers.
tests: $(READY)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

audit: $(READY) ## Look the installed packages up among known advisories.
	@.ci/audit

proto: $(READY) ## Generate the stubs from the contract.
	$(BIN)/python proto/generate.py

clean: ## Remove what was built here.
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml | system
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server,embedder,training,dev]'
	@echo "compiling the kernels (once)"
	$(BIN)/python -m ranker.warmup
	@touch $@

.PHONY: system
system:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "feedrank needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory package NAME=python3-venv
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || [ "$$(uname)" != Linux ] || \
		$(MAKE) --no-print-directory package NAME=libgomp1

.PHONY: package
package:
	@echo "installing the Debian package $(NAME)"
	@{ apt-get update -qq && apt-get install -y -qq $(NAME); } >/dev/null || \
		{ echo "install $(NAME) with your system's package manager, then try again"; exit 1; }
