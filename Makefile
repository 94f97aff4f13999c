# Everything happens in .venv; nothing is installed outside it.
.DEFAULT_GOAL := help
PY  ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
SHOWN := $(BIN)/pip --disable-pip-version-check  # says what it gets, line by line

# A .venv of another Python than the one that is asked for, or of one that is gone, is made anew.
VERSION := -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null
ifneq ($(wildcard .venv),)
  HAS := $(shell $(BIN)/python $(VERSION))
  ifneq ($(HAS),$(if $(filter file,$(origin PY)),$(or $(HAS),none),$(shell $(PY) $(VERSION))))
    ANEW := .anew
  endif
endif

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## serve on 127.0.0.1:8080: the demo unless keys are set
	@$(BIN)/lyra run

demo: .venv/.run ## serve an invented listener: no account, no key
	@$(BIN)/lyra demo

serve: .venv/.run ## serve real listeners (see .env.example)
	@$(BIN)/lyra serve

# A worker a core, four at most; alone on one core. N=0: in one process, as a debugger needs it.
N := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ $$n -gt 1 ] || n=0; [ $$n -lt 4 ] || n=4; echo $$n)
PYTEST := $(BIN)/pytest -q -n $(N) --dist worksteal

test: .venv/.dev ## the tests; T=tests/cache to choose, N=0 T="-x --pdb" for a debugger
	@$(PYTEST) $(T)

quick: .venv/.dev ## lint, types, and the tests that start no server and no process
	@$(MAKE) --no-print-directory lint type
	@$(PYTEST) -m "not served and not interop and not browser and not proxies" $(T)

cover: .venv/.dev ## the tests with a figure of what they run of src; what child processes run is left out
	@$(PYTEST) --cov=lyra --cov=lyra_agent --cov-branch --cov-report=term:skip-covered $(T)

test-interop: .venv/.dev ## other people's clients read the stream: needs Node 20, npm and curl
	@for program in node npm curl; do command -v $$program >/dev/null \
	  || { echo "make test-interop needs $$program, which is not installed"; exit 1; }; done
	@$(BIN)/pytest -q -m interop tests/interop

test-browser: .venv/.dev ## the page in a real browser: needs chromium
	@$(BIN)/pytest -q -m browser tests/browser

test-proxies: .venv/.dev ## the lines of docs/OPERATIONS.md: with those of nginx, caddy and haproxy that are installed; ONLY=nginx
	@$(BIN)/pytest -q -m proxies tests/proxies $(if $(ONLY),-k $(ONLY))

pictures: .venv/.dev ## the page in all states and looks, into /tmp/lyra-pictures
	@$(BIN)/python scripts/shoot_page.py /tmp/lyra-pictures

fuzz: .venv/.dev .venv/fuzz/.ready ## strange requests (FUZZ_S seconds), strange answers (STREAMS and ROUNDS of the model), all that LISTENERS are told, storms of answers and of saved playlists, DAYS of 500 listeners; SEED=1 repeats
	@$(BIN)/python scripts/fuzz.py --st .venv/fuzz/bin/st --seconds $(or $(FUZZ_S),60) --seed "$(SEED)"
	@$(BIN)/pytest -q tests/properties --hypothesis-profile=fuzz $(if $(SEED),--hypothesis-seed=$(SEED)) \
	  --rounds $(or $(ROUNDS),2000) --save-storms $(or $(SAVE_STORMS),1000) --tool-storms $(or $(TOOL_STORMS),200) --days $(or $(DAYS),1) \
	  --listeners $(or $(LISTENERS),60) --streams $(or $(STREAMS),20000) --streams-seed "$(or $(SEED),$(shell date +%s))"
	@$(BIN)/pytest -q tests/cache/test_storm.py tests/redis/test_tier_storm.py tests/redis/test_search_storm.py --storms $(or $(STORMS),2000)

mutants: .venv/.dev ## break the source, one line at a time: the tests have to notice; ONLY=fence some, JOBS=1
	@$(BIN)/python scripts/mutants.py "$(ONLY)" --jobs $(or $(JOBS),2)

check: lint type test ## everything that has to pass before a commit

lint: .venv/.dev ## ruff and the import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo

type: .venv/.dev ## mypy --strict
	@$(BIN)/mypy

fix: .venv/.dev ## let ruff repair and format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: .venv/.dev .venv/peers-web/.ready .venv/peers/.ready ## measure beside yardsticks; ONLY=warm,cache,faults (LIST=1 names all) FULL=1 SAMPLES=DIR WRITE=1
	@PYTHONPATH=scripts $(BIN)/python -m bench $(if $(LIST),--list) $(if $(ONLY),--only "$(ONLY)") \
	  $(if $(FULL),--full) $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(WRITE),--write)

settings: .venv/.run ## write docs/SETTINGS.md anew from the settings and .env.example
	@$(BIN)/python scripts/settings_page.py

eval: .venv/.dev ## how true and how useful answers are, over labelled sets; ONLY=answers, MODEL=NAME a real one (docs/EVALUATION.md)
	@PYTHONPATH=. $(BIN)/python scripts/evaluate.py $(if $(ONLY),--only "$(ONLY)") \
	  $(if $(MODEL),--model "$(MODEL)") $(if $(KIND),--kind "$(KIND)") $(if $(REPORT),--report "$(REPORT)") $(if $(STRICT),--strict)

lock: .venv/.dev ## resolve the newest allowed versions anew into requirements/
	@$(PIP) install uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml -o requirements/run.txt
	@for extra in redis traces; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	    --no-emit-index-url --no-emit-find-links --upgrade --extra $$extra \
	    --constraint requirements/run.txt pyproject.toml -o requirements/$$extra.txt || exit 1; done
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade --group dev pyproject.toml -o requirements/dev.txt

clean: ## remove what make made
	rm -rf .venv dist .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The stamp files make a second run start at once, and a changed lock install again.
.venv/.run: pyproject.toml requirements/run.txt $(ANEW)
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Lyra needs Python 3.11 or newer: make $(MAKECMDGOALS) PY=python3.12"; exit 1; }
	@echo "Setting up .venv$(if $(ANEW), anew with $(PY)), once ..."
	@$(if $(ANEW),$(PY) -m venv --clear .venv,test -x $(BIN)/pip || $(PY) -m venv .venv)
	@echo "1/2 the libraries that Lyra runs on (requirements/run.txt) ..."
	@$(SHOWN) install --require-hashes -r requirements/run.txt
	@echo "2/2 Lyra itself ..."
	@$(PIP) install --no-deps -e .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	@echo "Installing what the tests need (requirements/dev.txt) ..."
	@$(SHOWN) install --require-hashes -r requirements/dev.txt
	@touch $@

# Not in the locks: only `make bench` and `make fuzz` need them.
.venv/peers-web/.ready: scripts/bench/peers/requirements.txt | .venv/.run
	@$(PY) -m venv .venv/peers-web
	@.venv/peers-web/bin/pip --disable-pip-version-check --quiet install --upgrade -r $<
	@touch $@

.venv/peers/.ready: | .venv/.run
	@$(PIP) install --target .venv/peers async-lru cachebox cashews theine
	@touch $@

.venv/fuzz/.ready: scripts/fuzz-requirements.txt | .venv/.run
	@$(PY) -m venv .venv/fuzz
	@.venv/fuzz/bin/pip --disable-pip-version-check --quiet install -r scripts/fuzz-requirements.txt
	@touch $@

.PHONY: .anew help run demo serve test quick cover test-interop test-browser test-proxies fuzz mutants check lint type fix bench pictures settings eval lock clean
