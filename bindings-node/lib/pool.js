'use strict';

const { answered } = require('./errors.js');
const { encryptAt } = require('./native.js');

/**
 * Memory that ciphertexts are cut from, and nothing else: their `buffer` shows other ciphertexts only. Filled with
 * zeros first, so it never shows what the memory held before.
 */
const SIZE = 32 * 1024;
/** Longer ones get memory of their own. */
const LONGEST = 4 * 1024;

const NONE = new Uint8Array(0);

let pool = NONE;
let memory;
let used = 0;

function renew() {
  pool = Buffer.alloc(SIZE);
  memory = pool.buffer;
  used = 0;
  // Sending one ciphertext to another thread must not take the others along. The module takes two milliseconds to load:
  // not for those that only decrypt, nor before there is anything to encrypt.
  require('node:worker_threads').markAsUntransferable(memory);
}

/** Encrypts into a new Buffer. */
function encrypted(handle, plaintext, bound) {
  if (plaintext.length >= LONGEST) return encryptedAlone(handle, plaintext, bound);
  let length = encryptedAt(handle, plaintext, bound);
  while (length < 0) {
    if (-1 - length > LONGEST) return encryptedAlone(handle, plaintext, bound);
    renew();
    length = encryptedAt(handle, plaintext, bound);
  }
  const start = used;
  used = (start + length + 7) & ~7;
  // Faster than subarray.
  return Buffer.from(memory, start, length);
}

function encryptedAt(handle, plaintext, bound) {
  const length =
    bound === undefined ? encryptAt(handle, plaintext, pool, used) : encryptAt(handle, plaintext, pool, used, bound);
  // Undefined where it fills what was left.
  return length === undefined ? pool.length - used : answered(length);
}

function encryptedAlone(handle, plaintext, bound) {
  let own = NONE;
  for (;;) {
    const length = answered(encryptAt(handle, plaintext, own, 0, bound));
    if (length === undefined) return own;
    // The first time; or another version has become current, with ciphertexts of another length.
    own = Buffer.allocUnsafeSlow(length < 0 ? -1 - length : length);
  }
}

module.exports = { encrypted };
