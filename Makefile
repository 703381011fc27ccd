# keyfold: `make demo` shows it, `make test` runs every test in every language.

BUILD := build
VENV := $(BUILD)/venv
PYTHON ?= python3
CARGO ?= cargo
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
export KEYFOLD_ORACLE_PYTHON := $(CURDIR)/$(VENV)/bin/python
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find core/src core/Cargo.toml -type f 2>/dev/null)
PYTHON_SOURCES := $(shell find bindings-python -type f -not -path '*/.*' -not -name '*.so' -not -path '*__pycache__*')
NODE_SOURCES := package.json $(shell find bindings-node examples/demo/package.json -type f -not -path '*/node_modules/*' -not -name '*.node')

.PHONY: demo test check bench build rust python node clean help

help:
	@echo "make demo    build everything and see the main job in all languages"
	@echo "make test    every test, in every language"
	@echo "make check   formatting, lints, generated files, examples in the docs"
	@echo "make bench   ours beside the peers, in one run"
	@echo "make clean   remove what was built"

demo: build
	@examples/demo/run.sh

test: build
	@$(PYTHON) tests/run.py

check: build
	@tests/check.sh

bench: build
	@benches/run.sh

build: rust python node

# The library, the command, the examples: one build for all of them. Programs look for the library by its soname.
rust:
	@$(CARGO) build --release --workspace --examples --lib --bins
	@ln -sf libkeyfold.so $(RELEASE)/libkeyfold.so.0

python: $(BUILD)/python.stamp
node: $(BUILD)/node.stamp

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --upgrade pip

$(BUILD)/python-tools.stamp: $(VENV)/bin/python tests/requirements.txt
	@$(VENV)/bin/pip install --quiet -r tests/requirements.txt
	@touch $@

$(BUILD)/python.stamp: $(BUILD)/python-tools.stamp $(RUST_SOURCES) $(PYTHON_SOURCES) | rust
	@$(VENV)/bin/pip install --quiet --force-reinstall --no-deps ./bindings-python
	@touch $@

$(BUILD)/node.stamp: $(RUST_SOURCES) $(NODE_SOURCES) | rust
	@mkdir -p $(BUILD)
	@npm install --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	@rm -rf $(BUILD) target node_modules bindings-node/*.node
