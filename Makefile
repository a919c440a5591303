# All files made here are in .venv/ and var/. `make` alone lists the targets.

PYTHON ?= python3.11
PORT ?= 8000
# Not taken from the environment: some shells set HOST to the machine's name.
HOST = 127.0.0.1
# Another package index (address or folder) for torch and torchvision alone. Their usual builds for
# Linux bring several GB of GPU libraries; an index of CPU builds saves those.
TORCH_INDEX ?=
PYTEST_ARGS ?=

VENV = .venv/bin/python
LOG = var/log/setup.log
export RUFF_CACHE_DIR = var/cache/ruff

.PHONY: help setup run test lint format clean-cache
.NOTPARALLEL:

help: ## list the targets
	@echo "make TARGET [NAME=value ...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/run.stamp ## make the virtual environment [PYTHON=python3.11 TORCH_INDEX=...]
	@echo "Set up. Start it with: make run"

run: .venv/run.stamp ## run everything on this machine, until Ctrl-C [PORT=8000 HOST=127.0.0.1]
	@exec $(VENV) -m shoeproject.up --host "$(HOST)" --port "$(PORT)"

# Native tracebacks: pytest's own parse the source, which sometimes fails in Python 3.11 while a
# browser is driven; the whole run then ends without naming the test that failed.
test: .venv/test.stamp ## run the tests [PYTEST_ARGS="-k name"]
	@$(VENV) -m pytest -o cache_dir=var/cache/pytest -n auto --maxprocesses 4 --dist loadfile \
		--no-loadscope-reorder --tb native $(PYTEST_ARGS)

lint: .venv/test.stamp ## check code, format and types
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@$(VENV) -m mypy

format: .venv/test.stamp ## format the code
	@$(VENV) -m ruff check --fix .
	@$(VENV) -m ruff format .

clean-cache: ## remove caches, which are made again when needed
	@rm -rf var/cache
	@find . -name __pycache__ -type d -not -path "./.venv/*" -prune -exec rm -rf {} +

# `make run` needs only the first stamp. Each is written last, so a setup that failed or was
# interrupted is repeated.
.venv/run.stamp: requirements.txt requirements-web.txt
	@sh -c "$$INSTALL" install requirements.txt
	@touch $@

.venv/test.stamp: requirements-test.txt .venv/run.stamp
	@sh -c "$$INSTALL" install requirements-test.txt
	@touch $@

# Runs pip in the background, shows its last line meanwhile, and reports a failure in one line.
define INSTALL
fail() {
    if grep -q "No space left on device" $(LOG) 2>/dev/null; then
        set -- "the disk is full"
    fi
    echo "Setup failed: $$1. See $(LOG)" >&2
    exit 1
}
why() {
    if grep -qE "NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|unreachable" $(LOG)
    then echo "the package index cannot be reached"
    else grep -E "^(ERROR|error):" $(LOG) | tail -n 1 | cut -c1-200 | grep . || echo "pip gave up"
    fi
}
in_background() {
    "$$@" >> $(LOG) 2>&1 &
    pid=$$!
    # A background process of a script does not get the SIGINT of Ctrl-C.
    trap 'kill $$pid 2>/dev/null; echo; exit 130' INT TERM
    seconds=0
    while kill -0 $$pid 2>/dev/null; do
        last=$$(grep -E "^ *(Collecting|Processing|Downloading|Building|Installing)" $(LOG) |
            tail -n 1 | cut -c1-70)
        if [ -t 1 ]; then printf '\r\033[K  %4d s  %s' $$seconds "$$last"
        elif [ $$((seconds % 15)) -eq 14 ]; then printf '  %4d s  %s\n' $$seconds "$$last"
        fi
        sleep 1
        seconds=$$((seconds + 1))
    done
    if [ -t 1 ]; then printf '\r\033[K'; fi
    trap - INT TERM
    wait $$pid
}

if ! { mkdir -p var/log && echo "$$1" > $(LOG); } 2>/dev/null; then
    echo "Setup failed: cannot write to $(LOG): no permission, or the disk is full" >&2
    exit 1
fi
is_311='import sys; sys.exit(sys.version_info[:2] != (3, 11))'
if ! $(VENV) -c "import pip; $$is_311" 2>/dev/null; then
    command -v "$(PYTHON)" >/dev/null ||
        fail "there is no $(PYTHON); install Python 3.11, or name it: make setup PYTHON=/path/to/it"
    "$(PYTHON)" -c "$$is_311" 2>>$(LOG) || fail "$(PYTHON) is not Python 3.11"
    echo "Making the virtual environment in .venv ..."
    in_background "$(PYTHON)" -m venv .venv ||
        fail "no virtual environment could be made (Debian has it in python3.11-venv)"
fi
echo "Installing $$1 into .venv; the first time takes minutes. Log: $(LOG)"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
if [ -n "$(TORCH_INDEX)" ]; then
    in_background $(VENV) -m pip install --no-deps --index-url "$(TORCH_INDEX)" \
        $$(grep -E '^torch(vision)?==' requirements.txt) || fail "$$(why)"
fi
in_background $(VENV) -m pip install -r "$$1" || fail "$$(why)"
endef
export INSTALL
