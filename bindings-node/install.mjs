// Compiles the native part and puts it beside this file as keyfold.node. npm runs this on install.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const manifest = join(here, 'Cargo.toml');

function give(message) {
  console.error(`keyfold: ${message}`);
  process.exit(1);
}

function build() {
  if (!existsSync(manifest)) give('this package is built from source: install it from a clone of the repository');
  const cargo = spawnSync(
    'cargo',
    ['build', '--release', '-p', 'keyfold-node', '--message-format=json-render-diagnostics', '--manifest-path', manifest],
    { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (cargo.error?.code === 'ENOENT') {
    give('cargo was not found. keyfold is compiled from Rust: install Rust 1.88 or newer, then run npm install again');
  }
  if (cargo.error) give(`cargo did not run: ${cargo.error.message}`);
  if (cargo.status !== 0) give('cargo build failed; its messages are above');
  return cargo.stdout;
}

/** The compiled library among what cargo made; the target folder is the caller's choice. */
function library(messages) {
  for (const line of messages.split('\n')) {
    const message = line.startsWith('{') ? JSON.parse(line) : {};
    if (message.reason !== 'compiler-artifact' || message.target?.name !== 'keyfold_node') continue;
    const found = message.filenames.find((name) => /\.(so|dylib|dll)$/.test(name));
    if (found) return found;
  }
  return give('cargo made no library');
}

/** By renaming: a process that runs the old file keeps it. */
function put(file) {
  const target = join(here, 'keyfold.node');
  const temporary = join(here, `keyfold.${process.pid}.tmp.node`);
  try {
    copyFileSync(file, temporary);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

put(library(build()));
