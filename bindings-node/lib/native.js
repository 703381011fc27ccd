'use strict';

// The compiled functions; `install.mjs` puts the file there.

function load() {
  try {
    return require('../keyfold.node');
  } catch (cause) {
    if (cause.code !== 'MODULE_NOT_FOUND') throw cause;
    throw new Error('keyfold was not compiled: run "npm install" with Rust installed', { cause });
  }
}

module.exports = load();
