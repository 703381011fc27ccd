'use strict';

const { bound } = require('./bound.js');
const { checkCiphertext, checkPlaintext, checkTarget, checkText } = require('./bytes.js');
const { answered, invalid } = require('./errors.js');
const native = require('./native.js');
const options = require('./options.js');
const { encrypted } = require('./pool.js');

/** What only this package has: keys come from a store. */
const INTERNAL = Symbol('keyfold');
/** The longest plaintext; longer ciphertexts are refused without memory for them. */
const MESSAGE_BYTES = 64 * 1024 * 1024;

class Key {
  #handle;
  #id;
  /** Keeps the store, and with it this key's handle, from being finalized. */
  #store;
  /** How much longer a ciphertext is than its plaintext: a guess from the last one. */
  #overhead = 33;

  constructor(internal, store, id, handle) {
    if (internal !== INTERNAL) throw invalid('a Key comes from store.key(id)');
    this.#store = store;
    this.#id = id;
    this.#handle = handle;
  }

  get id() {
    return this.#id;
  }

  info() {
    return answered(native.info(this.#handle));
  }

  encrypt(plaintext, options) {
    checkPlaintext(plaintext);
    return encrypted(this.#handle, plaintext, bound(options));
  }

  decrypt(ciphertext, options) {
    checkCiphertext(ciphertext);
    const to = bound(options);
    // A plaintext has memory of its own, of its very length.
    let plaintext = Buffer.allocUnsafeSlow(this.#plaintextLength(ciphertext));
    for (;;) {
      const length = answered(native.decrypt(this.#handle, ciphertext, to, plaintext, true));
      if (length >= 0) return plaintext;
      plaintext = Buffer.allocUnsafeSlow(-1 - length);
      if (typeof ciphertext !== 'string') this.#overhead = ciphertext.length - plaintext.length;
    }
  }

  #plaintextLength(ciphertext) {
    const length = typeof ciphertext === 'string' ? ((ciphertext.length - 4) * 3) >>> 2 : ciphertext.length;
    // A guess may be wrong in every way, but it is a length.
    return Math.min(Math.max(length - this.#overhead, 0), MESSAGE_BYTES) >>> 0;
  }

  encryptText(plaintext, options) {
    checkText(plaintext, 'the plaintext of encryptText');
    return answered(native.encryptText(this.#handle, plaintext, bound(options)));
  }

  decryptText(ciphertext, options) {
    checkText(ciphertext, 'the ciphertext of decryptText');
    const plaintext = native.decryptText(this.#handle, ciphertext, bound(options));
    return typeof plaintext === 'string' ? plaintext : answered(plaintext);
  }

  encryptInto(target, plaintext, options) {
    checkTarget(target);
    checkPlaintext(plaintext);
    return this.#written(native.encrypt(this.#handle, plaintext, bound(options), target, 0), target);
  }

  decryptInto(target, ciphertext, options) {
    checkTarget(target);
    checkCiphertext(ciphertext);
    return this.#written(native.decrypt(this.#handle, ciphertext, bound(options), target, false), target);
  }

  #written(answer, target) {
    const length = answered(answer);
    if (length >= 0) return length;
    throw invalid(`the target is too small: it has ${target.length} bytes, and ${-1 - length} are needed`);
  }

  ciphertextLength(plaintextLength) {
    if (!Number.isSafeInteger(plaintextLength) || plaintextLength < 0) {
      throw invalid('a length must be a whole number of bytes');
    }
    return answered(native.ciphertextLength(this.#handle, plaintextLength));
  }

  reencrypt(ciphertext, options) {
    checkCiphertext(ciphertext);
    return answered(native.reencrypt(this.#handle, ciphertext, bound(options)));
  }

  needsReencrypt(ciphertext) {
    checkCiphertext(ciphertext);
    return answered(native.needsReencrypt(this.#handle, ciphertext));
  }

  blindIndex(value, field, indexOptions) {
    const { kind, bits } = options.read(indexOptions, options.INDEX);
    checkText(field, 'field');
    if (value === null || value === undefined) return null;
    return answered(native.blindIndex(this.#handle, value, field, kind, bits));
  }

  blindIndexes(value, field, indexOptions) {
    const { kind, bits } = options.read(indexOptions, options.INDEX);
    checkText(field, 'field');
    if (value === null || value === undefined) return null;
    return answered(native.blindIndexes(this.#handle, value, field, kind, bits));
  }
}

module.exports = { INTERNAL, Key };
