# All that is done with this tree; `make help` lists it. `make demo` and `make test` do their own set-up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
# Tests wait more than they work: files that run beside each other.
JOBS ?= 3
CONSTRAINTS := requirements/constraints.txt
TREES := src tests benchmarks packaging examples

# What the demonstration and the tests need of Debian; asked for only as root, and only what is missing.
APT := qemu-system-x86 qemu-utils seabios ovmf \
  libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu libvirt-dev \
  linux-image-cloud-amd64 busybox-static cpio kmod dnsmasq-base iproute2 \
  e2fsprogs strace pkg-config gcc libc6-dev libssl-dev python3-dev python3-venv netcat-openbsd tmux zsh fish

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export DEBIAN_FRONTEND := noninteractive

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve check unit test test-all canary conformance interop fuzz crash-matrix crash-cycles bench bench-peers generate generate-check docs dist clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## show a real guest's whole life through the API, then keep serving (ONCE=1: end after the proof)
	$(BIN)/python packaging/demo/demo.py $(if $(ONCE),--once)

serve: setup ## run vdsmd in the foreground on the demonstration's hypervisor
	$(BIN)/python packaging/demo/demo.py --serve

check: setup ## format, lint, types, floors, schema, its changes since the last release, generated files
	$(BIN)/ruff format --check $(wildcard $(TREES))
	$(BIN)/ruff check $(wildcard $(TREES))
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vdsm-schema lint
	$(BIN)/vdsm-schema diff
	$(MAKE) --no-print-directory generate-check

unit: setup ## tests that need no root, hypervisor or network; about a minute
	$(BIN)/pytest tests/unit

test: check $(STAMPS)/foreign ## check, then every test that fits in 20 minutes, with a real guest
	$(BIN)/pytest -n $(JOBS) --dist loadfile

interop: setup $(STAMPS)/foreign ## foreign clients: stomp.py, stompjs, rhea, qpid-proton, curl, a browser (part of make test)
	$(BIN)/pytest -v tests/interop tests/browser

conformance: setup ## how many lines of each protocol's checklist have a test (part of make test), and which have none
	$(BIN)/python tests/conformance/count.py

canary: setup ## plant secrets, run what tells daemons any, and search all that was written for them (part of make test)
	$(BIN)/pytest tests/canary tests/integration

test-all: test ## test, every crash, 2,000 kills, 1,000 swaps of certificates, the other Pythons that are here, then the benchmark
	LIBVDSM_KILLS=2000 LIBVDSM_POWER_CUTS=500 $(BIN)/pytest tests/faults/test_f15_power_cut.py
	LIBVDSM_FLIPS=0 $(BIN)/pytest tests/faults/test_f16_damaged_state.py -k 'flipped and closed'
	LIBVDSM_SWAPS=1000 $(BIN)/pytest tests/faults/test_f33_certificate_rotated.py
	LIBVDSM_INTERLEAVINGS=100000 $(BIN)/pytest tests/faults/test_cancel_races.py -k many_racers
	LIBVDSM_IDLE=10000 $(BIN)/pytest tests/faults/test_f23_idle_connections.py
	$(MAKE) --no-print-directory crash-matrix
	$(MAKE) --no-print-directory crash-cycles CRASH_CYCLES=2000
	for python in python3.12 python3.13; do \
	  if command -v $$python >/dev/null; then $(MAKE) --no-print-directory unit VENV=.venv-$$python STAMPS=.make/$$python PYTHON=$$python || exit 1; fi; \
	done
	$(MAKE) --no-print-directory bench

crash-matrix: setup ## every mutating verb × fault point × victim of kill -9, with the count and the seconds
	CRASH_MATRIX=all $(BIN)/pytest -q tests/crash/test_matrix.py tests/crash/test_recovery.py

crash-cycles: setup ## kill -9 at random instants under traffic, CRASH_CYCLES times (50)
	CRASH_CYCLES=$(or $(CRASH_CYCLES),50) $(BIN)/pytest -q tests/crash/test_cycles.py

fuzz: setup ## search for octets that the codecs do not bear, FUZZ_SECONDS (60) for each; what is found is in tests/fuzz/corpus
	@$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[fuzz]' || echo "atheris is not to be had for this Python: octets by chance"
	@failed=; for target in $(or $(FUZZ_TARGETS),$(notdir $(wildcard tests/fuzz/corpus/*))); do \
	  echo "fuzzing $$target"; \
	  timeout $$(( $(or $(FUZZ_SECONDS),60) + 120 )) $(BIN)/python -m tests.fuzz.fuzz $$target $(or $(FUZZ_SECONDS),60) >$(STAMPS)/fuzz.log 2>&1 || \
	  { failed="$$failed $$target"; cat $(STAMPS)/fuzz.log; }; grep -h -e 'number_of_executed' -e 'by chance' $(STAMPS)/fuzz.log; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

bench: setup ## server CPU per request beside the echo floor: a table, and bench.json
	$(BIN)/python benchmarks/bench.py

# Installed only here, and only as root; none of them is started as a service of the machine.
bench-peers: setup ## the same work by RabbitMQ (STOMP), mosquitto and nats-server, those that are or can be installed
	@missing=; for package in rabbitmq-server mosquitto nats-server; do \
	  [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing:$$missing"; made=; \
	  [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1; }; \
	  { apt-get -qq update && apt-get -qq install --yes --no-install-recommends $$missing; } >$(STAMPS)/peers.log 2>&1 || \
	  { tail -20 $(STAMPS)/peers.log; echo "could not install all of:$$missing"; }; \
	  [ -z "$$made" ] || rm /usr/sbin/policy-rc.d; \
	fi
	$(BIN)/python benchmarks/peers.py

generate: setup ## write all that is generated from the schema
	$(BIN)/vdsm-schema generate

generate-check: setup ## fail if what is generated is not what the schema says
	$(BIN)/vdsm-schema generate --check

docs: generate ## write the reference from the schema (docs/reference)

dist: setup ## build the wheel and the source archive into dist/
	rm -rf build dist
	$(BIN)/python -m build --no-isolation --outdir dist .

clean: ## remove what was built, and the virtual environment
	rm -rf build dist bench.json tests/interop/node/node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache $(STAMPS) $(VENV)

# ------------------------------------------------------------------------------------------------------------- set-up

.PHONY: setup
setup: $(STAMPS)/system $(STAMPS)/venv

# A mirror that does not answer is no reason to stop: it is asked again next time, and what is missing is said by whatever
# needs it (the demonstration falls back to the simulator).
$(STAMPS)/system: Makefile
	@mkdir -p $(@D)
	@missing=; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  for package in $(APT); do \
	    [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; \
	  done; \
	fi; \
	if [ -z "$$missing" ]; then touch $@; else \
	  echo "installing:$$missing"; \
	  if { apt-get -qq update && apt-get -qq install --yes --no-install-recommends $$missing; } >$(@D)/apt.log 2>&1; then touch $@; \
	  else tail -20 $(@D)/apt.log; echo "could not install all of:$$missing"; fi; \
	fi

# libvirt-python is compiled against the host's libvirt; where it cannot be had, the simulator works without it.
$(STAMPS)/venv: pyproject.toml $(CONSTRAINTS) $(STAMPS)/system
	@mkdir -p $(@D)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=..."; exit 1; }
	@[ -x $(BIN)/python ] || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing Python packages"
	@$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[daemon,shell,dev]'
	@$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) python-qpid-proton || echo "python-qpid-proton cannot be built here (it needs a compiler and OpenSSL's headers); its test is skipped"
	@$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[libvirt]' || echo "libvirt-python cannot be built here; the simulator works without it"
	@touch $@

# What the foreign clients need: programs of Debian only where there are none, packages of Node as their lock says.
$(STAMPS)/foreign: tests/interop/node/package.json tests/interop/node/package-lock.json $(STAMPS)/system
	@mkdir -p $(@D)
	@missing=; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing:$$missing"; \
	  { apt-get -qq update && apt-get -qq install --yes --no-install-recommends $$missing; } >$(@D)/foreign.log 2>&1 || \
	  { tail -20 $(@D)/foreign.log; echo "could not install all of:$$missing"; }; \
	fi
	@if command -v npm >/dev/null; then cd tests/interop/node && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error; \
	else echo "there is no Node here; its clients are skipped"; fi
	@touch $@
