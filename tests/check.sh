#!/usr/bin/env bash
# Formatting, lints, generated files. `make check` calls this after building.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=build/venv/bin
say() { printf '%s\n' "$*"; }

say "Rust: formatting"
cargo fmt --all --check
rustfmt --edition 2024 --check benches/peers/asherah.rs
say "Rust: lints"
cargo clippy --quiet --release -p keyfold -p keyfold-ffi -p keyfold-cli --all-targets --features keyfold/portable -- -D warnings
cargo clippy --quiet --release -p keyfold-python -p keyfold-node -- -D warnings
say "Rust: documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --release --no-deps -p keyfold
say "C: the header is up to date"
cargo test --quiet --release -p keyfold -p keyfold-ffi -p keyfold-cli --test header --test panic
say "Python: formatting and lints"
"$bin/ruff" format --check --quiet bindings-python examples tests benches cli/tests packaging
"$bin/ruff" check --quiet bindings-python examples tests benches cli/tests packaging
say "Python: stubs"
(cd build && ../$bin/python -m mypy.stubtest keyfold)
say "Node: types"
npm run --silent types -w bindings-node
say "Python, Node, C: instructions of the hot calls are as recorded"
"$bin/python" tests/instructions/guard.py
say "Documentation: generated pages are up to date"
"$bin/python" tests/edge_inputs_page.py --check
say "Documentation: what it names exists"
"$bin/python" tests/docs.py
say "check passed"
