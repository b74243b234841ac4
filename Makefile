PYTHON ?= python3.11
BIN := .venv/bin
# Compiled code is cached by the file that holds it; a change in a called function in another file goes unseen. So the cache
# lives in a folder named after all of it.
SUM := $(shell cat models/*.py detector/*.py detector/sources/*.py | cksum | cut -d' ' -f1)
export NUMBA_CACHE_DIR ?= $(CURDIR)/.cache/numba/$(SUM)
# Where this is set, every process compiles every module it imports anew: two seconds a start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check captures bench bench-quality kafka keycloak loop clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready ## the environment, in .venv

.venv/.ready: pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@$(BIN)/uv sync --quiet --frozen --python $(BIN)/python
	@touch .venv/.ready

demo: setup ## replay the shipped capture: a table and out/report.html
	@mkdir -p out
	$(BIN)/outpace replay examples/demo/live --baseline examples/demo/baseline --policy examples/policy.toml \
	  --out out/decisions.jsonl --report out/report.html --counterfactual

test: setup ## every test
	$(BIN)/python -m pytest -n auto --dist loadfile

check: setup ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

captures: setup ## replay the real captures kept beside the project, with the table
	$(BIN)/python -m pytest -m captures -s tests/streams/test_captures.py

bench: setup ## speed, state and scaling, as JSON
	$(BIN)/python -m benchmarks.replay --json

bench-quality: setup ## how good the detection is beside its peers, on cases nothing was tuned on, as a table
	$(BIN)/python -m benchmarks.quality

kafka: setup ## a real Kafka broker, until interrupted (needs Java 17 and Maven)
	$(BIN)/python -m benchmarks.broker

keycloak: setup ## a real Keycloak, until interrupted (needs Java 17 and Maven)
	$(BIN)/python -m benchmarks.identity_provider

loop: setup ## how fast the loop closes on a real Keycloak, as JSON
	$(BIN)/python -m benchmarks.loop --json

clean: ## caches, compiled code, outputs
	rm -rf .cache out dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
