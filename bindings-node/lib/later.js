'use strict';

// Parts that a program may never need, loaded when it first does: together with what they are built on they take as long
// to load as all the rest. Each require is literal, so that bundlers see it.

let batch;
let calls;
let masterKeys;
let options;
let progress;
let streams;

module.exports = {
  batch: () => (batch ??= require('./batch.js')),
  calls: () => (calls ??= require('./calls.js').CALLS),
  masterKeys: () => (masterKeys ??= require('./master_key.js')),
  options: () => (options ??= require('./options.js')),
  progress: () => (progress ??= require('./progress.js')),
  streams: () => (streams ??= require('./stream.js')),
};
