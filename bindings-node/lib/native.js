'use strict';

// The compiled functions: as `install.mjs` compiled them here, or from the prebuilt package of this system.
//
// Each require is literal and says the whole name, so that bundlers and strict package managers see it.

function load() {
  try {
    return require('../keyfold.node');
  } catch (cause) {
    if (cause.code !== 'MODULE_NOT_FOUND') throw cause;
  }
  try {
    if (process.platform === 'linux' && process.arch === 'x64') return require('@keyfold/linux-x64-gnu');
    if (process.platform === 'linux' && process.arch === 'arm64') return require('@keyfold/linux-arm64-gnu');
  } catch (cause) {
    throw missing(cause);
  }
  throw missing();
}

function missing(cause) {
  const advice = 'with Rust 1.88 or newer installed, run: node node_modules/keyfold/install.mjs';
  return new Error(`keyfold has no compiled part for ${process.platform} ${process.arch} here; ${advice}`, { cause });
}

module.exports = load();
