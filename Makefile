# Bare `make` lists the targets. Needs Python 3.11+ (with venv) and nothing else; everything is installed into .venv from hash-locked lists.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:

PYTHON ?= python3
UV ?= uv
BIN := .venv/bin
TOOLS := .venv-tools/bin
REST := .venv-rest/bin
OSCAL := .venv-oscal/bin
SUPPLY := .venv-supply/bin
LOCKS := deploy/locks
PIP := -m pip --disable-pip-version-check --no-input -qq install --no-warn-script-location
LOCKED := --require-hashes --no-build-isolation
# Of an environment of which little is used, what is used is compiled then.
UNCOMPILED := --no-compile

# A platform and its tests are hundreds of processes: what they import is compiled once, whatever the machine has set.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ----------------------------------------------------------------------------------------------------------------------- running

.PHONY: run up down status
run: setup ## Start the whole platform in the foreground (Ctrl-C stops it)
	@exec $(BIN)/python -m deploy.local run

up: setup ## Start it in the background, return when it is healthy
	@exec $(BIN)/python -m deploy.local up

down: setup ## Stop what `make up` started
	@exec $(BIN)/python -m deploy.local down

status: setup ## Say how the platform is
	@exec $(BIN)/python -m deploy.local status

# ----------------------------------------------------------------------------------------------------------------------- proving

.PHONY: test ready soak check bench format
test: $(BIN)/.test $(REST)/.rest $(OSCAL)/.oscal sdk ## Run all tests at their smaller counts (some 20 minutes; given up after 29)
	@exec $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --session-timeout=1740 $(ARGS)

ready: $(BIN)/.test $(REST)/.rest $(OSCAL)/.oscal sdk ## Make what the tests need, and compile it: else each of their processes does
	@exec $(BIN)/python -m pytest --collect-only -qq >/dev/null

soak: $(BIN)/.test $(REST)/.rest $(OSCAL)/.oscal sdk ## Run the full counts of every bar (long)
	@exec $(BIN)/python -m pytest -m soak --timeout=7200 $(ARGS)

check: $(BIN)/.test $(TOOLS)/.tools ## Format, lint, types, import rules, dead code, unused dependencies
	@failed=; step() { echo "check: $$*"; "$$@" || failed="$$failed $${1##*/}"; }; \
	step $(TOOLS)/ruff format --check .; \
	step $(TOOLS)/ruff check --output-format concise .; \
	step $(TOOLS)/mypy; \
	PYTHONPATH=.:router-config step $(TOOLS)/lint-imports; \
	step $(TOOLS)/vulture; \
	step $(TOOLS)/deptry .; \
	[ -z "$$failed" ] || { echo "check: failed:$$failed" >&2; exit 1; }

bench: $(BIN)/.test ## Measure against the references; prints a table, writes .bench/*.json
	@exec $(BIN)/python -m tests.bench $(ARGS)

# ------------------------------------------------------------------------------------------------------------------- supply chain

.PHONY: sbom licences audit
sbom: $(SUPPLY)/.supply ## Write the bill of materials, every pinned part with its hashes: build/ironflock.cdx.json (CycloneDX)
	@mkdir -p build
	@PYTHONWARNINGS=ignore $(SUPPLY)/cyclonedx-py requirements $(LOCKS)/runtime.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON -o build/ironflock.cdx.json
	@echo build/ironflock.cdx.json

licences: setup ## List the licence of each part; fails where nobody has allowed one
	@exec $(BIN)/python -m deploy.supply_chain licences

audit: setup ## Say which advisories concern what is pinned: make audit DATABASE=the OSV archive of PyPI
	@exec $(BIN)/python -m deploy.supply_chain audit --database "$(DATABASE)" $(ARGS)

format: $(TOOLS)/.tools ## Rewrite the sources as `make check` wants them
	@$(TOOLS)/ruff format .
	@$(TOOLS)/ruff check --fix .

# ------------------------------------------------------------------------------------------------------------------ environments

.PHONY: setup lock clean
setup: $(BIN)/.project ## Make .venv (a second call costs nothing)
	@:

$(BIN)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "$(PYTHON) has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: making .venv (once; some minutes where nothing is cached)"
	@$(PYTHON) -m venv .venv
	@touch $@

$(BIN)/.runtime: $(BIN)/.python $(LOCKS)/build.txt $(LOCKS)/runtime.txt
	@$(BIN)/python $(PIP) --require-hashes --only-binary=:all: -r $(LOCKS)/build.txt
	@$(BIN)/python $(PIP) $(LOCKED) -r $(LOCKS)/runtime.txt
	@touch $@

$(BIN)/.project: $(BIN)/.runtime pyproject.toml
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(BIN)/.test: $(BIN)/.project $(LOCKS)/test.txt
	@$(BIN)/python $(PIP) $(LOCKED) -r $(LOCKS)/test.txt
	@touch $@

$(TOOLS)/.tools: $(BIN)/.python $(LOCKS)/tools.txt
	@$(PYTHON) -m venv .venv-tools
	@$(TOOLS)/python $(PIP) $(UNCOMPILED) --require-hashes --only-binary=:all: -r $(LOCKS)/tools.txt
	@# mypy and deptry read the packages of .venv, behind their own.
	@purelib='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	$(BIN)/python -c "$$purelib" > "$$($(TOOLS)/python -c "$$purelib")/runtime.pth"
	@touch $@

$(REST)/.rest: $(BIN)/.python $(LOCKS)/rest.txt
	@$(PYTHON) -m venv .venv-rest
	@$(REST)/python $(PIP) $(UNCOMPILED) --require-hashes --only-binary=:all: -r $(LOCKS)/rest.txt
	@touch $@

# It has no pip of its own: that of .venv fills it.
$(OSCAL)/.oscal: $(BIN)/.python $(LOCKS)/oscal.txt
	@$(PYTHON) -m venv --without-pip .venv-oscal
	@$(BIN)/python $(subst -m pip,-m pip --python $(OSCAL)/python,$(PIP)) $(UNCOMPILED) --require-hashes --only-binary=:all: -r $(LOCKS)/oscal.txt
	@touch $@

$(SUPPLY)/.supply: $(BIN)/.python $(LOCKS)/sbom.txt
	@$(PYTHON) -m venv .venv-supply
	@$(SUPPLY)/python $(PIP) --require-hashes --only-binary=:all: -r $(LOCKS)/sbom.txt
	@touch $@

# Published SDKs that containers in the field have; their tests are skipped where PyPI cannot be had.
SDKS := 1.10.1 1.6.0 1.3.0
SDK_NOTE := "setup: ironflock $* could not be installed from PyPI; the tests with it are skipped"

.PHONY: sdk
sdk: $(SDKS:%=.venv-sdk-%/.made) ## Make an environment for each published SDK that the tests run

.venv-sdk-%/.made: $(BIN)/.python $(LOCKS)/build.txt $(LOCKS)/sdk-%.txt
	@$(PYTHON) -m venv .venv-sdk-$*
	@rm -f .venv-sdk-$*/.sdk
	@.venv-sdk-$*/bin/python $(PIP) $(UNCOMPILED) --require-hashes --only-binary=:all: -r $(LOCKS)/build.txt \
		&& .venv-sdk-$*/bin/python $(PIP) $(UNCOMPILED) $(LOCKED) -r $(LOCKS)/sdk-$*.txt && touch .venv-sdk-$*/.sdk $@ || echo $(SDK_NOTE) >&2

lock: setup ## Resolve all dependencies anew into deploy/locks and show what changed (needs uv; move `exclude-newer` in pyproject.toml first)
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; cp $(LOCKS)/*.txt "$$before"; \
	compile() { $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links "$$@"; }; \
	compile pyproject.toml -c $(LOCKS)/constraints.in -o $(LOCKS)/runtime.txt; \
	compile $(LOCKS)/build.in -c $(LOCKS)/runtime.txt -o $(LOCKS)/build.txt; \
	compile --group test -c $(LOCKS)/runtime.txt -o $(LOCKS)/test.txt; \
	compile --group tools -o $(LOCKS)/tools.txt; \
	compile --group rest -o $(LOCKS)/rest.txt; \
	compile --no-strip-extras --group oscal -o $(LOCKS)/oscal.txt; \
	compile --group sbom -o $(LOCKS)/sbom.txt; \
	for sdk in $(SDKS); do compile - -o $(LOCKS)/sdk-$$sdk.txt <<< "ironflock==$$sdk"; done; \
	$(BIN)/python -m deploy.supply_chain changes "$$before"

clean: ## Remove environments and caches; the state of a platform stays
	@rm -rf .venv .venv-tools .venv-rest .venv-oscal .venv-supply .venv-sdk-* build ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find services shared deploy router-config tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
