// Puts the compiled part beside this file as keyfold.node, unless a prebuilt one serves. npm runs this on install; where
// install scripts are not allowed: node node_modules/keyfold/install.mjs
//
// In a clone of the repository cargo compiles it each time; in the package from its sources in native/.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const cloned = join(here, 'Cargo.toml');
const packed = join(here, 'native', 'Cargo.toml');

function give(message) {
  console.error(`keyfold: ${message}`);
  process.exit(1);
}

/** Whether there is a prebuilt part that loads here and is of this version. */
function prebuilt() {
  const { optionalDependencies = {}, version } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  return Object.keys(optionalDependencies).some((name) => {
    try {
      return require(name).version() === version;
    } catch {
      return false;
    }
  });
}

/** Cargo runs here, but a relative folder is meant from where npm was called. */
function environment() {
  const { CARGO_TARGET_DIR: target, INIT_CWD: caller } = process.env;
  return target ? { ...process.env, CARGO_TARGET_DIR: resolve(caller ?? process.cwd(), target) } : process.env;
}

function build(manifest, options) {
  const cargo = spawnSync(
    'cargo',
    ['build', '--release', '-p', 'keyfold-node', '--message-format=json-render-diagnostics', '--manifest-path', manifest].concat(options),
    { cwd: here, env: environment(), stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (cargo.error?.code === 'ENOENT') {
    give('no prebuilt part serves this system, and cargo was not found: install Rust 1.88 or newer, then run npm install again');
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

if (existsSync(cloned)) {
  put(library(build(cloned, [])));
} else if (!prebuilt()) {
  put(library(build(packed, ['--locked'])));
  rmSync(join(here, 'native', 'target'), { recursive: true, force: true });
}
