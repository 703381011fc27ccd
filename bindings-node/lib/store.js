'use strict';

const { types } = require('node:util');
const { checkCiphertext, checkText } = require('./bytes.js');
const { KeyfoldError, answered, invalid } = require('./errors.js');
const { INTERNAL, Key } = require('./key.js');
const native = require('./native.js');
const options = require('./options.js');

/** Whether a native function gives a Promise. */
const NOW = false;
const LATER = true;

const forgotten = new FinalizationRegistry((record) => {
  if (!record.closed) {
    process.emitWarning(`the store ${record.path} was forgotten without close(); keyfold closed it`, {
      type: 'KeyfoldWarning',
      code: 'KEYFOLD_NOT_CLOSED',
    });
    native.close(record.handle, LATER);
  }
  for (const key of record.keys) native.releaseKey(key);
  native.release(record.handle);
});

class Store {
  #handle;
  /** What is left to do when this object is gone. */
  #record;
  #keys = new Map();

  constructor(internal, path, handle) {
    if (internal !== INTERNAL) throw invalid('a Store comes from open(path)');
    this.#handle = handle;
    this.#record = { handle, path, keys: [], closed: false };
    forgotten.register(this, this.#record);
  }

  key(keyId) {
    return this.#known(keyId) ?? this.#remember(keyId, answered(native.key(this.#handle, keyId, NOW)));
  }

  async keyAsync(keyId) {
    return this.#known(keyId) ?? this.#remember(keyId, answered(await native.key(this.#handle, keyId, LATER)));
  }

  #known(keyId) {
    checkText(keyId, 'keyId');
    return this.#record.closed ? undefined : this.#keys.get(keyId);
  }

  #remember(keyId, handle) {
    const known = this.#keys.get(keyId);
    if (known !== undefined) {
      native.releaseKey(handle);
      return known;
    }
    const key = new Key(INTERNAL, this, keyId, handle);
    this.#record.keys.push(handle);
    this.#keys.set(keyId, key);
    return key;
  }

  encrypt(keyId, plaintext, bindTo) {
    return this.key(keyId).encrypt(plaintext, bindTo);
  }

  decrypt(keyId, ciphertext, bindTo) {
    return this.key(keyId).decrypt(ciphertext, bindTo);
  }

  createKey(keyId, keyOptions) {
    return answered(this.#createKey(keyId, keyOptions, NOW));
  }

  async createKeyAsync(keyId, keyOptions) {
    return answered(await this.#createKey(keyId, keyOptions, LATER));
  }

  #createKey(keyId, keyOptions, later) {
    checkText(keyId, 'keyId');
    const json = JSON.stringify(options.read(keyOptions, options.CREATE_KEY));
    return native.createKey(this.#handle, keyId, json, later);
  }

  rotateKey(keyId) {
    checkText(keyId, 'keyId');
    return answered(native.rotateKey(this.#handle, keyId, NOW));
  }

  async rotateKeyAsync(keyId) {
    checkText(keyId, 'keyId');
    return answered(await native.rotateKey(this.#handle, keyId, LATER));
  }

  keyInfo(keyId) {
    checkText(keyId, 'keyId');
    return answered(native.keyInfo(this.#handle, keyId, NOW));
  }

  async keyInfoAsync(keyId) {
    checkText(keyId, 'keyId');
    return answered(await native.keyInfo(this.#handle, keyId, LATER));
  }

  listKeys(filter) {
    return answered(this.#listKeys(filter, NOW));
  }

  async listKeysAsync(filter) {
    return answered(await this.#listKeys(filter, LATER));
  }

  #listKeys(filter, later) {
    return native.listKeys(this.#handle, JSON.stringify(options.read(filter, options.KEY_FILTER)), later);
  }

  listKeyVersions(keyId) {
    checkText(keyId, 'keyId');
    return answered(native.listKeyVersions(this.#handle, keyId, NOW));
  }

  async listKeyVersionsAsync(keyId) {
    checkText(keyId, 'keyId');
    return answered(await native.listKeyVersions(this.#handle, keyId, LATER));
  }

  inspect(ciphertext) {
    checkCiphertext(ciphertext);
    return answered(native.inspect(this.#handle, ciphertext, NOW));
  }

  async inspectAsync(ciphertext) {
    checkCiphertext(ciphertext);
    return answered(await native.inspect(this.#handle, ciphertext, LATER));
  }

  check() {
    return answered(native.check(this.#handle, NOW));
  }

  async checkAsync() {
    return answered(await native.check(this.#handle, LATER));
  }

  anchor() {
    return answered(native.anchor(this.#handle, NOW));
  }

  async anchorAsync() {
    return answered(await native.anchor(this.#handle, LATER));
  }

  fingerprint() {
    return answered(native.facts(this.#handle)).fingerprint;
  }

  warnings() {
    return answered(native.facts(this.#handle)).warnings;
  }

  close() {
    this.#record.closed = true;
    answered(native.close(this.#handle, NOW));
  }

  async closeAsync() {
    this.#record.closed = true;
    answered(await native.close(this.#handle, LATER));
  }
}

// Newer Node has these symbols; with them `using store = open(path)` closes it.
if (Symbol.dispose) define(Symbol.dispose, Store.prototype.close);
if (Symbol.asyncDispose) define(Symbol.asyncDispose, Store.prototype.closeAsync);

function define(name, value) {
  Object.defineProperty(Store.prototype, name, { value, writable: true, configurable: true });
}

function open(path, openOptions) {
  const request = requested(path, openOptions);
  let { masterKey } = request;
  if (typeof masterKey === 'function') masterKey = called(masterKey);
  if (types.isPromise(masterKey)) {
    masterKey.catch(() => {});
    throw invalid('the masterKey function gave a Promise; use openAsync, which awaits it');
  }
  checkSecret(masterKey, request.masterKey);
  return new Store(INTERNAL, path, answered(native.open(path, masterKey, request.json, NOW)));
}

async function openAsync(path, openOptions) {
  const request = requested(path, openOptions);
  let { masterKey } = request;
  if (typeof masterKey === 'function') masterKey = await awaited(called(masterKey));
  checkSecret(masterKey, request.masterKey);
  return new Store(INTERNAL, path, answered(await native.open(path, masterKey, request.json, LATER)));
}

function requested(path, openOptions) {
  if (typeof path !== 'string') throw invalid('path must be a string');
  if (openOptions === undefined) return { masterKey: undefined, json: '{}' };
  if (typeof openOptions !== 'object' || openOptions === null) {
    throw invalid('the options of open are an object, as in open(path, { masterKey })');
  }
  const { masterKey, ...plain } = openOptions;
  return { masterKey, json: JSON.stringify(options.read(plain, options.OPEN)) };
}

/** The function runs before the store is opened and holds nothing up but its caller. */
function called(masterKey) {
  try {
    return masterKey();
  } catch (cause) {
    throw callbackFailed(cause);
  }
}

async function awaited(secret) {
  try {
    return await secret;
  } catch (cause) {
    throw callbackFailed(cause);
  }
}

function callbackFailed(cause) {
  return new KeyfoldError('KEYFOLD_PROVIDER_UNAVAILABLE', 'the master key callback failed', {
    cause,
    retryable: true,
  });
}

function checkSecret(secret, given) {
  if (types.isUint8Array(secret)) return;
  if (typeof given === 'function') throw invalid('the masterKey function must return 32 bytes');
  if (secret === undefined || secret === null || typeof secret === 'string') return;
  throw invalid('masterKey must be 32 bytes, a string or a function that returns 32 bytes');
}

module.exports = { Store, open, openAsync };
