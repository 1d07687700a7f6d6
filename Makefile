# Everything a developer or CI types. A bare machine needs Python 3.11 or newer and make; the rest is set up here.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JS     := tests/js
JS_READY := $(JS)/node_modules/.ready
BROWSER_READY := $(VENV)/.browser-ready
BENCH_READY := $(VENV)/.bench-ready
SDKS_READY := $(VENV)/.sdks-ready
# The last google-genai that makes videos through the Gemini API; it stands beside the newest one.
GENAI_1 := $(VENV)/google-genai-1
ALL    := tests vidpoll
# What takes minutes, or something that is not everywhere: a target each below.
APART  := tests/acceptance/faults tests/acceptance/deployed tests/browser tests/hosts tests/sdks tests/simulation
T      ?= $(ALL)
JOBS   ?= 3
MINUTES ?= 20
FORM   ?= full

.DEFAULT_GOAL := help

.PHONY: help
help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## make .venv and install everything into it (the other targets do this by themselves)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vidpoll needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }
	@echo "setting up $(VENV), once; this takes a minute"
	@$(PYTHON) -m venv --clear $(VENV)
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

.PHONY: demo
demo: $(READY) ## run 100 generations through a real stack with simulated providers
	@$(BIN)/vidpoll demo

.PHONY: up
up: $(READY) ## run Redis, Postgres, simulator, worker and beat until Ctrl-C
	@$(BIN)/vidpoll up

.PHONY: prometheus
prometheus: ## let a Prometheus read what `make up` and `make demo` tell, on http://127.0.0.1:9090, until Ctrl-C
	@command -v prometheus >/dev/null || { echo "this needs prometheus on PATH; on Debian: apt-get install prometheus"; exit 1; }
	@mkdir -p .vidpoll/demo
	@prometheus --config.file=config/prometheus-up.yml --storage.tsdb.path=.vidpoll/prometheus --web.listen-address=127.0.0.1:9090 --log.level=warn

.PHONY: test
test: $(READY) ## run the tests, but for those with a target of their own (one of them: make test T=tests/unit/test_schedule.py)
	@$(BIN)/pytest $(T) $(if $(filter-out $(ALL),$(T)),,$(addprefix --ignore=,$(APART))) -m 'not benchmark' -n $(JOBS) --dist loadgroup

.PHONY: test-failed
test-failed: $(READY) ## the tests that failed the last time, one after another (with the variables of that run)
	@$(BIN)/pytest --last-failed --last-failed-no-failures none -m 'not benchmark'

.PHONY: test-simulation
test-simulation: $(READY) ## everything under a virtual clock, with faults at every await point
	@$(BIN)/pytest tests/simulation -n $(JOBS) --dist loadgroup

.PHONY: test-deployed
test-deployed: $(READY) ## Redis Sentinel, TLS, a role for each process, the image's commands
	@$(BIN)/pytest tests/acceptance/deployed -n $(JOBS) --dist loadgroup

.PHONY: test-hosts
test-hosts: $(READY) ## let workers on several hosts work together, and pull one's cable (needs root and iproute2: network namespaces)
	@$(BIN)/pytest tests/hosts -rs

.PHONY: test-js
test-js: $(JS_READY) ## check the types of the JavaScript client and run its tests (needs Node 20 or newer, and npm)
	@cd $(JS) && node_modules/.bin/tsc && node --test --test-reporter=spec *.test.mjs

$(JS_READY): $(JS)/package.json $(JS)/package-lock.json | node
	@cd $(JS) && npm ci --loglevel=error
	@touch $(JS_READY)

.PHONY: node
node:
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 || { echo "this needs Node.js 20 or newer and npm; on Debian 13: apt-get install nodejs npm"; exit 1; }

.PHONY: test-browser
test-browser: $(BROWSER_READY) chromium ## use the page in a real Chromium (as root on Debian it is installed; else it must be there)
	@$(BIN)/pytest tests/browser

$(BROWSER_READY): $(READY)
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check -e '.[browser]'
	@touch $(BROWSER_READY)

.PHONY: test-sdks
test-sdks: $(SDKS_READY) ## let the vendors' own clients use the simulator
	@$(BIN)/pytest tests/sdks
	@PYTHONPATH=$(GENAI_1) $(BIN)/pytest tests/sdks/older

$(SDKS_READY): $(READY)
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check -e '.[sdks]'
	@rm -rf $(GENAI_1) && $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(GENAI_1) google-genai==1.75.0
	@touch $(SDKS_READY)

.PHONY: chromium
chromium:
	@[ -n "$$VIDPOLL_CHROMIUM" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing Chromium, once" && apt-get update -qq </dev/null && \
			DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium </dev/null >/dev/null; \
		else \
			echo "this needs Chromium: install it (on Debian: apt-get install chromium), or name one: VIDPOLL_CHROMIUM=/path/to/it"; exit 1; \
		fi; }

# Its short form: what differs by the broker most.
ON_RABBITMQ := $(if $(filter short,$(FORM)),$(addprefix tests/acceptance/,test_main_path.py test_recovery.py test_rabbitmq.py test_projects.py test_flower.py),tests/acceptance --ignore=tests/acceptance/deployed)

.PHONY: test-rabbitmq
test-rabbitmq: $(READY) rabbitmq ## the acceptance suite with RabbitMQ as the broker, on a node of its own (as root on Debian it is installed; else it must be there; FORM=short: five minutes)
	@VIDPOLL_TEST_BROKER=rabbitmq $(BIN)/pytest $(ON_RABBITMQ) tests/integration/test_rabbitmq.py -n $(JOBS) --dist loadgroup

# Debian's package starts a service on 5672, unless a policy forbids it while it is installed.
.PHONY: rabbitmq
rabbitmq:
	@command -v rabbitmq-server >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing RabbitMQ, once; its service is not started"; policy=/usr/sbin/policy-rc.d; made=; \
			[ -e $$policy ] || { printf '#!/bin/sh\nexit 101\n' > $$policy && chmod 755 $$policy && made=$$policy; }; \
			apt-get update -qq </dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends rabbitmq-server </dev/null >/dev/null; \
			installed=$$?; rm -f $$made; exit $$installed; \
		else \
			echo "this needs RabbitMQ 3.10 or newer: install it (on Debian: apt-get install rabbitmq-server)"; exit 1; \
		fi; }

.PHONY: test-faults
test-faults: $(READY) ## the fault suite in its full form, with a table of what it cost (about half an hour; FORM=short: five minutes)
	@VIDPOLL_FAULTS=$(FORM) $(BIN)/pytest tests/acceptance/faults $(if $(filter full,$(FORM)),tests/simulation) -q

.PHONY: soak
soak: $(READY) ## everything at once, with faults at random (make soak MINUTES=20 SEED=7)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--json $(REPORT))

.PHONY: bench
bench: $(READY) ## measure: use of the rate cap, executions per call (minutes)
	@$(BIN)/pytest tests/benchmarks -m benchmark -s

.PHONY: bench-polling
bench-polling: $(BENCH_READY) ## judge the schedules in virtual time, beside the optimum (minutes; PICTURE=docs/polling.png draws it)
	@$(BIN)/python -m tests.benchmarks.polling --check $(if $(PICTURE),--picture $(PICTURE)) $(if $(CASES),--cases $(CASES))

$(BENCH_READY): $(READY)
	@PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $(BENCH_READY)

.PHONY: lint
lint: $(READY) ## ruff, mypy (strict), import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(READY) ## let ruff format and mend what it can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: docs
docs: $(READY) ## write what is generated in docs/ anew: the matrix of providers
	@$(BIN)/python -m vidpoll.providers.matrix docs/providers.md

.PHONY: constraints
constraints: ## write constraints.txt anew from the newest versions pyproject.toml allows
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet -e '.[dev,bench,browser,sdks]' hatchling editables
	@head -n 1 constraints.txt > constraints.new
	@$(BIN)/pip freeze --exclude-editable | grep -v ' @ ' >> constraints.new
	@mv constraints.new constraints.txt && touch $(READY)

.PHONY: clean
clean: ## remove .venv, caches and the embedded stack's data
	@rm -rf $(VENV) .vidpoll .mypy_cache .ruff_cache .pytest_cache .hypothesis dist $(JS)/node_modules
