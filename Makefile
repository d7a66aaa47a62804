# Everything a contributor runs. Each target sets up what it needs by itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell grep -v '^\#' requirements.lock 2>/dev/null | sha256sum | cut -c1-12)
WORKERS ?= 2
SEEDS ?= 1000
SEQUENCES ?= 10000
# The first use builds helm from Go modules, which takes some minutes.
HELM = $(BIN)/python -m tests.harness.chart
INSTALL = echo '\# Made from manifests/chart by "make manifests": kubectl apply -f manifests/install.yaml (Kubernetes 1.30 or newer)'; \
  cat manifests/namespace.yaml; \
  $(HELM) template nodeproxy manifests/chart --namespace project-nodeproxy --kube-version 1.30
# Without programs that may or may not be on the machine.
ACTIONLINT = $$($(BIN)/python -c 'from tests.harness.assets import ensure_tool as tool; print(tool("actionlint"))')/actionlint -shellcheck= -pyflakes=
CONFIGURATION = $(BIN)/python -m docs.configuration

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

# The first line is printed before anything takes time. A lock is whole: with --no-deps pip resolves nothing, so a release
# of tomorrow cannot break today's lock (pip 23 takes the newest coverage for "coverage[toml]", and then misses its hash).
$(STAMP):
	@echo "setting up $(VENV): downloads the Python packages, which takes a minute or two"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "needs Python 3.11 or newer as python3, or: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "needs venv: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

.PHONY: venv
venv: $(STAMP)

.PHONY: apiserver
apiserver: $(STAMP) ## get a real kube-apiserver; KUBERNETES=1.36 chooses another minor release, for every target
	@echo "looking for a real kube-apiserver"
	@$(BIN)/python -m tests.harness.assets

# On a machine that can get no newer Kubernetes, these two take the one of Debian's source package.
demo test: export KUBERNETES_FALLBACK ?= 1.20

.PHONY: demo
demo: apiserver ## the main job, visible: register three nodes, lose one, clean up
	@$(BIN)/python -m tests.demo

.PHONY: picture
picture: apiserver ## run the demo, and draw docs/demo.svg from what it prints
	@$(BIN)/python -m tests.demo > build/demo.txt && $(BIN)/python -m docs.picture < build/demo.txt > docs/demo.svg

.PHONY: test
test: apiserver ## everything, against real servers; prints the branch coverage, at least 95 %
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(if $(ARGS),$(ARGS),--cov)

.PHONY: matrix
matrix: $(STAMP) ## the API tests on every release: writes docs/compatibility.md; MINORS="1.36 1.37" or MINORS=client for a part
	@$(BIN)/python -m tests.matrix $(MINORS)

.PHONY: test-oldest
test-oldest: ## the API tests on the oldest Kubernetes
	@$(MAKE) --no-print-directory test KUBERNETES=1.20 ARGS="tests/api $(ARGS)"

.PHONY: check
check: $(STAMP) ## before each commit, in seconds: lint, and the tests that need no server
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

.PHONY: unit
unit: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) tests/unit tests/manifests/test_values.py $(ARGS)

.PHONY: mutants
mutants: $(STAMP) ## mutation testing of the pure modules (two minutes): tests kill at least 90 % of the mutants
	@rm -rf mutants
	$(BIN)/mutmut run --max-children $(WORKERS)
	@$(BIN)/mutmut results
	@$(BIN)/mutmut export-cicd-stats >/dev/null
	@$(BIN)/python -c 'import json; m = json.load(open("mutants/mutmut-cicd-stats.json")); print(m["killed"], "of", m["total"], "mutants killed"); raise SystemExit(m["killed"] < 0.9 * m["total"])'

.PHONY: soak
soak: apiserver ## faults, kills, crowds and stolen tokens by the seed: SEEDS=417-417 for that one; a thousand write docs/benchmarks.md
	SEEDS=$(SEEDS) $(BIN)/python -m pytest -n $(WORKERS) -q tests/soak tests/credentials/test_canaries.py tests/security/test_fuzz.py $(ARGS)

.PHONY: model
model: apiserver ## every interleaving of both programs in a small world, and the world's API server beside a real one (docs/model.md)
	@nice $(BIN)/python -m tests.model $(ARGS)
	SEQUENCES=$(SEQUENCES) nice $(BIN)/python -m pytest -q tests/model/test_as_the_real_one.py

.PHONY: bench
bench: apiserver ## ours beside the hand-rolled stack, load, and (as root) proxies, measured: writes docs/benchmarks.md
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: lint
lint: $(STAMP) ## style, types, import rules, workflows, the chart, and what is generated: install.yaml, docs/configuration.md
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict manifests
	$(ACTIONLINT)
	$(HELM) lint --strict --quiet manifests/chart
	@{ $(INSTALL); } | diff -u manifests/install.yaml - || { echo "manifests/install.yaml is not what the chart renders: make manifests"; exit 1; }
	@$(CONFIGURATION) | diff -u docs/configuration.md - || { echo "docs/configuration.md is not what the options say: make configuration"; exit 1; }

.PHONY: e2e
e2e: $(STAMP) ## all scenarios on a real two-node cluster, as root (docs/e2e.md); ARGS for pytest
	@$(BIN)/python -m tests.e2e $(ARGS)

$(VENV)/docs/.installed: docs/requirements.lock
	@$(PYTHON) -m venv --clear $(VENV)/docs
	@$(VENV)/docs/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r docs/requirements.lock
	@touch $@

.PHONY: site
site: $(VENV)/docs/.installed ## the documentation as a site, in build/site; a broken link is an error
	@$(VENV)/docs/bin/python -m docs.pages build/pages
	@NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict --quiet
	@echo "to look at it: $(PYTHON) -m http.server --directory build/site"

.PHONY: audit
audit: ## known vulnerabilities of what is locked; asks the package index, so not a part of lint
	@$(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/pip install --quiet pip-audit
	$(VENV)/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement images/requirements.lock
	$(VENV)/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

.PHONY: images
images: $(STAMP) ## build, measure and list both images; BASE=local where no registry is reachable
	@$(BIN)/python -m images.build --base "$(BASE)"

.PHONY: measure-clients
measure-clients: apiserver ## size, start-up and memory of each candidate release of the client (docs/images.md)
	@$(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install --quiet uv
	@$(BIN)/python -m tests.bench.candidates $(CANDIDATES)

.PHONY: manifests
manifests: $(STAMP) ## set the chart to this version, and render manifests/install.yaml from it
	@sed -i -E "s/^(version|appVersion): .*/\1: $$($(BIN)/python -c 'import registrar; print(registrar.__version__)')/" manifests/chart/Chart.yaml
	@{ $(INSTALL); } > manifests/install.yaml

.PHONY: configuration
configuration: $(STAMP) ## write docs/configuration.md from the programs' options
	@$(CONFIGURATION) > docs/configuration.md

.PHONY: address
address: $(STAMP) ## after a change of the repository's address in pyproject.toml: write it wherever it is spelled out
	@$(BIN)/python -m docs.address

.PHONY: format
format: $(STAMP) ## rewrite the code in its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each lock file begins with its command, which Renovate repeats: it wants options in this form.
COMPILE = $(VENV)/uv/bin/uv pip compile --quiet --universal --generate-hashes $(UPGRADE)

.PHONY: lock
lock: $(STAMP) ## lock all dependencies with hashes, for every Python from 3.11 on; UPGRADE=--upgrade takes newer releases
	@$(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install --quiet uv
	@$(COMPILE) --python-version=3.11 --extra=test --output-file=requirements.lock pyproject.toml
	@$(COMPILE) --python-version=3.15 --constraint=requirements.lock --output-file=images/requirements.lock pyproject.toml
	@$(COMPILE) --python-version=3.11 --output-file=docs/requirements.lock docs/requirements.in

.PHONY: clean-cache
clean-cache: $(STAMP) ## remove all cached binaries and images (not what Go keeps: go clean -cache -modcache)
	@$(BIN)/python -c 'import shutil; from images.cache import cache_dir; shutil.rmtree(cache_dir(), ignore_errors=True)'

.PHONY: clean
clean: ## remove what the targets made in this folder (not the cache)
	rm -rf $(VENV) build dist mutants .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
