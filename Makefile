# keyfold: `make demo` shows it, `make test` runs every test in every language.

BUILD := build
VENV := $(BUILD)/venv
PYTHON ?= python3
CARGO ?= cargo
PREFIX ?= /usr/local

# What a relative CARGO_TARGET_DIR means must not depend on the folder in which a tool starts cargo.
ifdef CARGO_TARGET_DIR
ifeq ($(filter /%,$(firstword $(CARGO_TARGET_DIR))),)
override CARGO_TARGET_DIR := $(CURDIR)/$(CARGO_TARGET_DIR)
endif
export CARGO_TARGET_DIR
endif
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release

export KEYFOLD_ORACLE_PYTHON := $(CURDIR)/$(VENV)/bin/python
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find core/src core/Cargo.toml -type f 2>/dev/null)
PYTHON_SOURCES := $(shell find bindings-python -type f -not -path '*/.*' -not -name '*.so' -not -path '*__pycache__*')
NODE_SOURCES := package.json $(shell find bindings-node examples/demo/package.json -type f -not -path '*/node_modules/*' -not -name '*.node')

.PHONY: demo test prove check check-mutants bench build rust python node dist install uninstall clean help

help:
	@echo "make demo    build everything and see the main job in all languages"
	@echo "make test    every test, in every language"
	@echo "make prove   the long form of every proof in docs/proof.md; hours"
	@echo "make check   formatting, lints, generated files, examples in the docs, instructions of the hot calls"
	@echo "make bench   ours beside the peers, in one run, into docs/benchmarks.md; ARGS='--quick', ARGS='python files'"
	@echo "make dist    the packages, into dist/: wheel, source distribution, npm tarballs, archive for C and the command"
	@echo "make install PREFIX=/usr/local DESTDIR=    the C library and the command; make uninstall removes them"
	@echo "make clean   remove what was built"

demo: build
	@examples/demo/run.sh

test: build
	@$(PYTHON) tests/run.py

prove: build
	@$(PYTHON) tests/prove.py

# What cargo-mutants finds in what differs from the branch that BASE names.
BASE ?= main
check-mutants:
	@tests/proof/mutants.sh '$(BASE)'

check: build
	@tests/check.sh

# Other peers, in their own environments: nothing of it is needed to build or to test.
bench: build
	@$(PYTHON) benches/run.py $(ARGS)

build: rust python node

# The library, the command, the examples: one build for all of them. Programs look for the library by its soname.
# Without the packages for Python and Node, which maturin and npm build: each would undo the other's build.
rust:
	@$(CARGO) build --release -p keyfold -p keyfold-ffi -p keyfold-cli --examples --lib --bins
	@ln -sf libkeyfold.so '$(RELEASE)/libkeyfold.so.0'

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

dist: rust $(BUILD)/python-tools.stamp
	@$(VENV)/bin/python packaging/dist.py

# It builds as whoever calls it; `make rust`, and then packaging/install.sh as root, builds nothing as root.
install: rust
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' LIBDIR='$(LIBDIR)' packaging/install.sh install

uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' LIBDIR='$(LIBDIR)' packaging/install.sh uninstall

clean:
	@rm -rf $(BUILD) dist target node_modules bindings-node/*.node
