# Twinpost from a checkout. `make` alone says what there is.

PYTHON ?= python3
VENV ?= .venv
UV ?= uv
SEEDS ?= 20000
ROUNDS ?= 200
DEMO ?=
BUNDLE ?=
IMAGE ?=
BENCH ?=

bin := $(VENV)/bin
install = @PYTHON="$(PYTHON)" VENV="$(VENV)" requirements/install.sh

.DEFAULT_GOAL := help
.PHONY: help bundle image demo test test-sim test-crash test-net test-install test-image bench bench-queue lint types contracts runtime dev lock lock-debian clean

help: ## say what there is
	@echo "Twinpost: highly available e-mail for places with no internet."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "PYTHON=python3.13 chooses the interpreter (3.11 or newer; python3 if not said)."

demo: runtime ## start a pair on this machine and send mail through it (DEMO="--for 60")
	@$(bin)/twinpost demo $(DEMO)

test: lint types contracts ## lint, types, import contracts and every test without root or VM
	$(bin)/python -m pytest -n 2 --dist loadgroup $(PYTEST)

test-sim: dev ## the simulation of two replicas with SEEDS=20000 schedules
	SIM_SEEDS=$(SEEDS) $(bin)/python -m pytest -n 2 --dist loadgroup tests/sim $(PYTEST)

test-crash: dev ## kill processes and nodes under load, ROUNDS=200 times
	CRASH_ROUNDS=$(ROUNDS) $(bin)/python -m pytest -n 2 -m crash tests/pair $(PYTEST)

test-net: dev ## faults of a pair in network namespaces, keepalived beside it (as root, 40 min)
	NETNS=full $(bin)/python -m pytest tests/netns $(PYTEST)

test-install: dev ## a bundle on two Debian 13 machines in namespaces (as root, 10 min)
	INSTALL=1 $(bin)/python -m pytest -s tests/install $(PYTEST)

test-image: dev ## the image in QEMU, from installation to update (as root, 60 min)
	@packer/needs.sh test
	IMAGE=1 $(bin)/python -m pytest -s tests/image $(PYTEST)

bench: runtime ## measure the pair, and Postfix beside it where it is installed (BENCH="--help")
	@$(bin)/python -m tests.bench $(BENCH)

bench-queue: dev ## a queue of a million messages in the console: scrolling and filters
	@$(bin)/python -m tests.bench.queue $(BENCH)

bench-search: dev ## index 100,000 generated messages and search them, stock Whoosh beside it
	@$(bin)/python -m tests.bench.search $(BENCH)

bundle: dev ## one signed file to install and update from (BUNDLE="--help")
	@$(bin)/python -m bundle build $(BUNDLE)

image: bundle ## the image of a USB stick that installs it, in dist/ (as root, 10 min)
	@packer/needs.sh
	@CHECKPOINT_DISABLE=1 packer build $(IMAGE) packer/

lint: dev
	$(bin)/ruff check .
	$(bin)/ruff format --check --quiet .

types: dev
	$(bin)/mypy --strict

contracts: dev
	$(bin)/lint-imports --no-cache --no-logo

runtime: # what the product needs
	$(install) runtime

dev: # and what its developers need
	$(install) dev

# The lock: exact versions with the hashes of all their files, and no address of an index.
compile = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-config --custom-compile-command "make lock"

lock: ## write requirements/*.txt anew from pyproject.toml (needs uv)
	$(compile) pyproject.toml --output-file requirements/runtime.txt
	$(compile) --group build --output-file requirements/build.txt
	$(compile) --group installer --output-file requirements/installer.txt
	$(compile) pyproject.toml --group dev --constraint requirements/runtime.txt \
		--output-file requirements/dev.txt

lock-debian: dev ## write requirements/debian.txt anew from Debian 13 as it is (needs mmdebstrap)
	@$(bin)/python -m bundle lock-debian

clean: ## remove what was built, not what the demo keeps
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
