'use strict';

const { answered } = require('./errors.js');
const native = require('./native.js');

/**
 * Memory that ciphertexts are cut from, and nothing else: their `buffer` shows other ciphertexts only. Filled with
 * zeros first, so it never shows what the memory held before.
 */
const SIZE = 32 * 1024;
/** Longer ones get memory of their own. */
const LONGEST = 4 * 1024;

const NONE = Buffer.alloc(0);

let pool = NONE;
let used = 0;

function renew() {
  pool = Buffer.alloc(SIZE);
  used = 0;
  // Sending one ciphertext to another thread must not take the others along. The module takes two milliseconds to load:
  // not for those that only decrypt, nor before there is anything to encrypt.
  require('node:worker_threads').markAsUntransferable(pool.buffer);
}

/** Encrypts into a new Buffer. */
function encrypted(handle, plaintext, bound) {
  if (plaintext.length >= LONGEST) return encryptedAlone(handle, plaintext, bound);
  let length = answered(native.encrypt(handle, plaintext, bound, pool, used));
  while (length < 0) {
    if (-1 - length > LONGEST) return encryptedAlone(handle, plaintext, bound);
    renew();
    length = answered(native.encrypt(handle, plaintext, bound, pool, used));
  }
  const start = used;
  used = (start + length + 7) & ~7;
  return pool.subarray(start, start + length);
}

function encryptedAlone(handle, plaintext, bound) {
  let own = NONE;
  for (;;) {
    const length = answered(native.encrypt(handle, plaintext, bound, own, 0));
    if (length === own.length) return own;
    // The first time; or another version has become current, with ciphertexts of another length.
    own = Buffer.allocUnsafeSlow(length < 0 ? -1 - length : length);
  }
}

module.exports = { encrypted };
