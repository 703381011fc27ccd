#!/usr/bin/env bash
# Ours beside the bare AEAD and the libraries people use, in turns, in one run. `make bench` calls this.
# Numbers of different runs, or of a busy machine, do not compare: read the ratios.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
printf 'Rust: keyfold beside aws-lc-rs\n'
cargo bench --quiet -p keyfold --bench hot_path
printf '\nStreams and batches: keyfold beside aws-lc-rs and a copy\n'
cargo bench --quiet -p keyfold --bench streams
printf '\nA new key-encryption key for 10,000 keys\n'
cargo bench --quiet -p keyfold --bench rekey
printf '\nRust: streams and batches beside aws-lc-rs\n'
cargo bench --quiet -p keyfold --bench streams
printf '\nPython: keyfold beside cryptography\n'
build/venv/bin/python benches/hot_path.py
printf '\nNode: keyfold beside node:crypto\n'
node benches/hot_path.mjs
