'use strict';

const { bound } = require('./bound.js');
const {
  answered,
  checkCiphertext,
  checkData,
  checkMac,
  checkPlaintext,
  checkTarget,
  checkText,
  invalid,
  keepHere,
} = require('./errors.js');
const { batch, options, progress, streams } = require('./later.js');
const native = require('./native.js');
const { encrypted } = require('./pool.js');

/** On their own: found faster than among all the others. */
const { decryptExactly, decryptInto, decryptText, encryptInto, encryptText } = native;

/** What only this package has: keys come from a store. */
const INTERNAL = Symbol('keyfold');
/** The longest plaintext; longer ciphertexts are refused without memory for them. */
const MESSAGE_BYTES = 64 * 1024 * 1024;
/** The most values of a batch of indexes. */
const VALUES = 100_000;

/** Whether a native function gives a Promise. */
const NOW = false;
const LATER = true;

/** The handle of a key; methods that are called on something else say so. */
let handleOf;

class Key {
  #handle;
  #id;
  /** Keeps the store, and with it this key's handle, from being finalized. */
  #store;
  /** How much longer a ciphertext is than its plaintext: a guess from the last one. */
  #overhead = 33;

  static {
    handleOf = (key) => {
      if (typeof key === 'object' && key !== null && #handle in key) return key.#handle;
      throw invalid('a method of Key was called on something else; write key.encrypt(…), or bind it');
    };
  }

  constructor(internal, store, id, handle) {
    if (internal !== INTERNAL) throw invalid('a Key comes from store.key(id)');
    this.#store = store;
    this.#id = id;
    this.#handle = handle;
    keepHere(this, 'a Key');
  }

  get id() {
    handleOf(this);
    return this.#id;
  }

  info() {
    return answered(native.info(handleOf(this)));
  }

  encrypt(plaintext, options) {
    checkPlaintext(plaintext);
    return encrypted(handleOf(this), plaintext, bound(options));
  }

  decrypt(ciphertext, options) {
    checkCiphertext(ciphertext);
    const to = bound(options);
    // A plaintext has memory of its own, of its very length.
    const handle = handleOf(this);
    let plaintext = Buffer.allocUnsafeSlow(this.#plaintextLength(ciphertext));
    for (;;) {
      const length = answered(
        to === undefined
          ? decryptExactly(handle, ciphertext, plaintext)
          : decryptExactly(handle, ciphertext, plaintext, to),
      );
      if (length === undefined) return plaintext;
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
    return answered(encryptText(handleOf(this), plaintext, bound(options)));
  }

  decryptText(ciphertext, options) {
    checkText(ciphertext, 'the ciphertext of decryptText');
    const plaintext = decryptText(handleOf(this), ciphertext, bound(options));
    return typeof plaintext === 'string' ? plaintext : answered(plaintext);
  }

  encryptInto(target, plaintext, options) {
    checkTarget(target);
    checkPlaintext(plaintext);
    const handle = handleOf(this);
    return written(
      options === undefined
        ? encryptInto(handle, plaintext, target)
        : encryptInto(handle, plaintext, target, bound(options)),
      target,
    );
  }

  decryptInto(target, ciphertext, options) {
    checkTarget(target);
    checkCiphertext(ciphertext);
    const handle = handleOf(this);
    return written(
      options === undefined
        ? decryptInto(handle, ciphertext, target)
        : decryptInto(handle, ciphertext, target, bound(options)),
      target,
    );
  }

  ciphertextLength(plaintextLength) {
    if (!Number.isSafeInteger(plaintextLength) || plaintextLength < 0) {
      throw invalid('a length must be a whole number of bytes');
    }
    return answered(native.ciphertextLength(handleOf(this), plaintextLength));
  }

  reencrypt(ciphertext, options) {
    checkCiphertext(ciphertext);
    return answered(native.reencrypt(handleOf(this), ciphertext, bound(options)));
  }

  needsReencrypt(ciphertext) {
    checkCiphertext(ciphertext);
    return answered(native.needsReencrypt(handleOf(this), ciphertext));
  }

  mac(data, macOptions) {
    checkData(data);
    return answered(native.mac(handleOf(this), data, isRaw(macOptions)));
  }

  verifyMac(data, mac, macOptions) {
    checkData(data);
    checkMac(mac);
    answered(native.verifyMac(handleOf(this), data, mac, isRaw(macOptions)));
  }

  searchCiphertexts(plaintext, options) {
    if (typeof plaintext !== 'string') checkPlaintext(plaintext);
    return answered(native.searchCiphertexts(handleOf(this), plaintext, bound(options)));
  }

  blindIndex(value, field, indexOptions) {
    const how = indexing(field, indexOptions);
    const handle = handleOf(this);
    return value === null || value === undefined ? null : answered(native.blindIndex(handle, value, field, how));
  }

  blindIndexes(value, field, indexOptions) {
    const how = indexing(field, indexOptions);
    const handle = handleOf(this);
    return value === null || value === undefined ? null : answered(native.blindIndexes(handle, value, field, how));
  }

  blindIndexMany(values, field, indexOptions) {
    const how = indexing(field, indexOptions);
    const { all, lengths } = batch().indexValues(values, VALUES);
    const [indexes, width] = answered(
      native.blindIndexMany(handleOf(this), all, batch().asBytes(lengths), field, how),
    );
    const piece = (value, place) => indexes.subarray(place * width, (place + 1) * width);
    return values.map((value, place) => (value === null || value === undefined ? null : piece(value, place)));
  }

  blindIndexCompound(pairs, indexOptions) {
    const { fields, values, how } = compound(pairs, indexOptions);
    return answered(native.blindIndexCompound(handleOf(this), fields, values, how));
  }

  blindIndexesCompound(pairs, indexOptions) {
    const { fields, values, how } = compound(pairs, indexOptions);
    return answered(native.blindIndexesCompound(handleOf(this), fields, values, how));
  }

  encryptMany(values, options) {
    return batch().encryptMany(handleOf(this), values, options);
  }

  decryptMany(values, options) {
    return batch().decryptMany(handleOf(this), values, options);
  }

  encryptManyText(values, options) {
    return batch().encryptManyText(handleOf(this), values, options);
  }

  decryptManyText(values, options) {
    return batch().decryptManyText(handleOf(this), values, options);
  }

  encryptManyPacked(packed, options) {
    return batch().encryptManyPacked(handleOf(this), packed, options);
  }

  decryptManyPacked(packed, options) {
    return batch().decryptManyPacked(handleOf(this), packed, options);
  }

  encryptStream(options) {
    const { binding, streamOptions } = streaming(options);
    const stream = answered(native.beginEncryptor(handleOf(this), bound(binding)));
    const { EncryptStream, INTERNAL } = streams();
    return new EncryptStream(INTERNAL, this, stream, streamOptions);
  }

  decryptStream(options) {
    const { binding, streamOptions } = streaming(options);
    const stream = answered(native.beginDecryptor(handleOf(this), bound(binding)));
    const { DecryptStream, INTERNAL } = streams();
    return new DecryptStream(INTERNAL, this, stream, streamOptions);
  }

  encryptFile(from, to, options) {
    return converted(native.encryptFile, handleOf(this), from, to, options);
  }

  async encryptFileAsync(from, to, options) {
    return convertedLater(native.encryptFile, handleOf(this), from, to, options);
  }

  decryptFile(from, to, options) {
    return converted(native.decryptFile, handleOf(this), from, to, options);
  }

  async decryptFileAsync(from, to, options) {
    return convertedLater(native.decryptFile, handleOf(this), from, to, options);
  }
}

/** What an `…Into` call answered. */
function written(answer, target) {
  if (answer === undefined) return target.length;
  const length = answered(answer);
  if (length >= 0) return length;
  throw invalid(`the target is too small: it has ${target.length} bytes, and ${-1 - length} are needed`);
}

function isRaw(macOptions) {
  return macOptions === undefined ? false : options().read(macOptions, options().MAC).raw === true;
}

/** The options of an index for the core; most calls name none. */
function indexing(field, indexOptions) {
  checkText(field, 'field');
  return indexOptions === undefined ? undefined : options().json(indexOptions, options().INDEX);
}

function compound(pairs, indexOptions) {
  if (!Array.isArray(pairs)) throw invalid('the fields of a compound index are an array of [field, value]');
  const fields = [];
  const values = [];
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) throw invalid('each field of a compound index is [field, value]');
    fields.push(pair[0]);
    values.push(pair[1]);
  }
  return { fields, values, how: indexOptions === undefined ? undefined : options().json(indexOptions, options().INDEX) };
}

/** What goes to Node's stream, and what the stream is bound to. */
function streaming(given) {
  if (given === undefined) return {};
  options().requireObject(given, 'options');
  const { highWaterMark, signal, ...binding } = given;
  return { binding, streamOptions: { highWaterMark, signal } };
}

function filed(from, to, given) {
  checkText(from, 'from');
  checkText(to, 'to');
  if (given === undefined) return { json: '{}' };
  options().requireObject(given, 'options');
  const { onProgress, aad, context, ...plain } = given;
  return { json: options().json(plain, options().FILE), onProgress, to: bound({ aad, context }) };
}

function converted(run, handle, from, to, given) {
  const { json, onProgress, to: bindTo } = filed(from, to, given);
  return progress().now(onProgress, (told) => run(handle, from, to, bindTo, json, told, NOW));
}

function convertedLater(run, handle, from, to, given) {
  const { json, onProgress, to: bindTo } = filed(from, to, given);
  return progress().later(onProgress, (told) => run(handle, from, to, bindTo, json, told, LATER));
}

module.exports = { INTERNAL, Key };
