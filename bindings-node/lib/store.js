'use strict';

const { answered, checkText, invalid, keepHere } = require('./errors.js');
const { INTERNAL, Key } = require('./key.js');
const { calls, masterKeys, options, progress } = require('./later.js');
const native = require('./native.js');

/** Whether a native function gives a Promise. */
const NOW = false;
const LATER = true;
/** The calls that `lib/calls.js` has. */
const CALLS = `
  createKey createKeys rotateKey archiveKey keyInfo keyUsage listKeys listKeyVersions promoteVersion setVersionState
  scheduleDestruction cancelDestruction runDue purge purgePending registerPurpose purposes indexSalts
  rotateIndexSalt retireIndexSalt getIndexSalt deriveKey recipients removeRecipient recipientPublicKey inspect check
  anchor importKey getDataKey getEncryptionKey exportKeyset importKeyset quarantine quarantined
`.trim().split(/\s+/);
/** How many keys are read at once by an iterator. */
const PAGE = 1000;

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

/** The handle of a store; methods that are called on something else say so. */
let handleOf;

class Store {
  #handle;
  /** What is left to do when this object is gone. */
  #record;
  #mode;
  #keys = new Map();

  static {
    handleOf = (store) => {
      if (typeof store === 'object' && store !== null && #handle in store) return store.#handle;
      throw invalid('a method of Store was called on something else; write store.key(…), or bind it');
    };
  }

  constructor(internal, path, handle, mode = 'admin') {
    if (internal !== INTERNAL) throw invalid('a Store comes from open(path)');
    this.#handle = handle;
    this.#mode = mode;
    this.#record = { handle, path, keys: [], closed: false };
    forgotten.register(this, this.#record);
    keepHere(this, 'a Store');
  }

  key(keyId) {
    const handle = handleOf(this);
    return this.#known(keyId) ?? this.#remember(keyId, answered(native.key(handle, keyId, NOW)));
  }

  async keyAsync(keyId) {
    const handle = handleOf(this);
    return this.#known(keyId) ?? this.#remember(keyId, answered(await native.key(handle, keyId, LATER)));
  }

  keyFor(purpose) {
    const handle = answered(native.keyFor(handleOf(this), checkText(purpose, 'purpose'), NOW));
    return this.#remember(native.keyId(handle), handle);
  }

  async keyForAsync(purpose) {
    const handle = answered(await native.keyFor(handleOf(this), checkText(purpose, 'purpose'), LATER));
    return this.#remember(native.keyId(handle), handle);
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
    handleOf(this);
    return this.key(keyId).encrypt(plaintext, bindTo);
  }

  decrypt(keyId, ciphertext, bindTo) {
    handleOf(this);
    return this.key(keyId).decrypt(ciphertext, bindTo);
  }

  iterKeys(filter) {
    handleOf(this);
    return eachKey(this, options().read(filter, options().KEY_FILTER) && { ...filter });
  }

  iterKeysAsync(filter) {
    handleOf(this);
    return eachKeyLater(this, options().read(filter, options().KEY_FILTER) && { ...filter });
  }

  addRecipient(masterKey, given) {
    const json = options().json(given, options().ADD_RECIPIENT);
    return answered(native.addRecipient(handleOf(this), named(masterKeys().resolved(masterKey)), json, NOW));
  }

  async addRecipientAsync(masterKey, given) {
    const json = options().json(given, options().ADD_RECIPIENT);
    const secret = named(await masterKeys().awaited(masterKey));
    return answered(await native.addRecipient(handleOf(this), secret, json, LATER));
  }

  testRecipient(masterKey) {
    return answered(native.testRecipient(handleOf(this), masterKeys().resolved(masterKey), NOW));
  }

  async testRecipientAsync(masterKey) {
    const secret = await masterKeys().awaited(masterKey);
    return answered(await native.testRecipient(handleOf(this), secret, LATER));
  }

  drill(masterKey) {
    return answered(native.drill(handleOf(this), masterKeys().resolved(masterKey), NOW));
  }

  async drillAsync(masterKey) {
    const secret = await masterKeys().awaited(masterKey);
    return answered(await native.drill(handleOf(this), secret, LATER));
  }

  rotateMasterKey(newMasterKey) {
    return answered(native.rotateMasterKey(handleOf(this), masterKeys().resolved(newMasterKey), NOW));
  }

  async rotateMasterKeyAsync(newMasterKey) {
    const secret = await masterKeys().awaited(newMasterKey);
    return answered(await native.rotateMasterKey(handleOf(this), secret, LATER));
  }

  backup(path, given) {
    const handle = handleOf(this);
    checkText(path, 'path');
    return progress().now(onProgressOf(given), (told) => native.backup(handle, path, told, NOW));
  }

  async backupAsync(path, given) {
    const handle = handleOf(this);
    checkText(path, 'path');
    return progress().later(onProgressOf(given), (told) => native.backup(handle, path, told, LATER));
  }

  fingerprint() {
    return answered(native.facts(handleOf(this))).fingerprint;
  }

  warnings() {
    return answered(native.facts(handleOf(this))).warnings;
  }

  isVerified() {
    return answered(native.facts(handleOf(this))).isVerified;
  }

  mode() {
    handleOf(this);
    return this.#mode;
  }

  close() {
    const handle = handleOf(this);
    this.#record.closed = true;
    answered(native.close(handle, NOW));
  }

  async closeAsync() {
    const handle = handleOf(this);
    this.#record.closed = true;
    answered(await native.close(handle, LATER));
  }
}

for (const name of CALLS) {
  const twin = `${name}Async`;
  const methods = {
    [name](...given) {
      const handle = handleOf(this);
      return answered(native[name](handle, ...calls()[name](...given), NOW));
    },
    async [twin](...given) {
      const handle = handleOf(this);
      return answered(await native[name](handle, ...calls()[name](...given), LATER));
    },
  };
  define(name, methods[name]);
  define(twin, methods[twin]);
}

// Newer Node has these symbols; with them `using store = open(path)` closes it.
if (Symbol.dispose) define(Symbol.dispose, Store.prototype.close);
if (Symbol.asyncDispose) define(Symbol.asyncDispose, Store.prototype.closeAsync);

function define(name, value) {
  Object.defineProperty(Store.prototype, name, { value, writable: true, configurable: true });
}

/** A page at a time; each is of one moment. */
function* eachKey(store, filter) {
  for (let left = filter.limit ?? Infinity; left > 0; ) {
    const page = store.listKeys({ ...filter, limit: Math.min(PAGE, left) });
    yield* page;
    if (page.length < PAGE) return;
    left -= page.length;
    filter.after = page[page.length - 1].keyId;
  }
}

async function* eachKeyLater(store, filter) {
  for (let left = filter.limit ?? Infinity; left > 0; ) {
    const page = await store.listKeysAsync({ ...filter, limit: Math.min(PAGE, left) });
    yield* page;
    if (page.length < PAGE) return;
    left -= page.length;
    filter.after = page[page.length - 1].keyId;
  }
}

/** A recipient is not made by leaving its secret out. */
function named(secret) {
  if (secret !== undefined && secret !== null) return secret;
  throw invalid('name the master key that is to be added');
}

function onProgressOf(given) {
  if (given === undefined) return undefined;
  const { onProgress, ...others } = options().requireObject(given, 'options');
  options().read(others, {});
  return onProgress;
}

function open(path, openOptions) {
  const { masterKey, json, mode } = requested(path, openOptions);
  const secret = masterKeys().resolved(masterKey);
  return new Store(INTERNAL, path, answered(native.open(path, secret, json, NOW)), mode);
}

async function openAsync(path, openOptions) {
  const { masterKey, json, mode } = requested(path, openOptions);
  const secret = await masterKeys().awaited(masterKey);
  return new Store(INTERNAL, path, answered(await native.open(path, secret, json, LATER)), mode);
}

function requested(path, openOptions) {
  if (typeof path !== 'string') throw invalid('path must be a string');
  if (openOptions === undefined) return { masterKey: undefined, json: '{}' };
  if (typeof openOptions !== 'object' || openOptions === null) {
    throw invalid('the options of open are an object, as in open(path, { masterKey })');
  }
  const { masterKey, ...plain } = openOptions;
  const found = options().read(plain, options().OPEN);
  return { masterKey, json: JSON.stringify(found), mode: found.mode };
}

function restore(source, path, given) {
  const { masterKey, json } = restoring(source, path, given);
  return answered(native.restore(source, path, masterKeys().resolved(masterKey), json, NOW));
}

async function restoreAsync(source, path, given) {
  const { masterKey, json } = restoring(source, path, given);
  return answered(await native.restore(source, path, await masterKeys().awaited(masterKey), json, LATER));
}

function restoring(source, path, given) {
  checkText(source, 'source');
  checkText(path, 'path');
  if (given === undefined) return { masterKey: undefined, json: '{}' };
  const { masterKey, ...plain } = options().requireObject(given, 'options');
  return { masterKey, json: options().json(plain, options().RESTORE) };
}

module.exports = { Store, open, openAsync, restore, restoreAsync };
