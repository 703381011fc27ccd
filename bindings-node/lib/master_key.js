'use strict';

const { types } = require('node:util');
const { KeyfoldError, answered, invalid, keepHere } = require('./errors.js');
const native = require('./native.js');
const options = require('./options.js');

const forgotten = new FinalizationRegistry((handle) => native.releaseSecret(handle));

/** The number of a secret that is held in locked memory, and never as a JavaScript value. */
let handleOf;

class Secret {
  #handle;

  static {
    handleOf = (secret) => {
      if (typeof secret === 'object' && secret !== null && #handle in secret) return secret.#handle;
      throw invalid('this is no Passphrase, RecoveryKey or Shares that keyfold made');
    };
  }

  constructor(handle, name) {
    this.#handle = answered(handle);
    forgotten.register(this, this.#handle);
    keepHere(this, `a ${name}`);
  }
}

class Passphrase extends Secret {
  constructor(text, costs) {
    if (typeof text !== 'string') throw invalid('a passphrase must be a string');
    const { memoryKib, passes, lanes, pbkdf2Rounds } = options.read(costs, options.PASSPHRASE);
    const argon2id = [memoryKib, passes, lanes].filter((cost) => cost !== undefined).length;
    if (argon2id !== 0 && argon2id !== 3) throw invalid('of the costs memoryKib, passes and lanes name all three');
    if (argon2id !== 0 && pbkdf2Rounds !== undefined) throw invalid('pbkdf2Rounds excludes the costs of Argon2id');
    super(native.passphrase(text, memoryKib, passes, lanes, pbkdf2Rounds), 'Passphrase');
  }
}

/** What only this file has. */
const MADE = Symbol('made');

class RecoveryKey extends Secret {
  constructor(text, made) {
    if (made !== MADE && typeof text !== 'string') throw invalid('a recovery key must be a string; RecoveryKey.generate() makes one');
    super(made === MADE ? native.makeRecoveryKey() : native.readRecoveryKey(text), 'RecoveryKey');
  }

  static generate() {
    return new RecoveryKey('', MADE);
  }

  reveal() {
    return answered(native.reveal(handleOf(this)))[0];
  }
}

class Shares extends Secret {
  constructor(texts, made) {
    if (made !== MADE && !Array.isArray(texts)) throw invalid('shares must be an array of strings; Shares.split(threshold, count) makes some');
    super(made === MADE ? native.splitShares(...texts) : native.readShares(texts), 'Shares');
  }

  static split(threshold, count) {
    return new Shares([threshold, count], MADE);
  }

  reveal() {
    return answered(native.reveal(handleOf(this)));
  }
}

/** A master key as the native functions take it; its functions are called here and now. */
function resolved(masterKey) {
  return each(masterKey, (one, among) => {
    if (typeof one !== 'function') return checked(one, false);
    const secret = among ? orFailed(one) : called(one);
    if (types.isPromise(secret)) {
      secret.catch(() => {});
      throw invalid('the masterKey function gave a Promise; use openAsync, or the Async twin of the call, which awaits it');
    }
    return checked(secret, true);
  });
}

/** As `resolved`, with functions that give Promises. */
async function awaited(masterKey) {
  const secrets = [];
  const all = Array.isArray(masterKey) ? masterKey : [masterKey];
  for (const one of all) secrets.push(typeof one === 'function' ? await later(one, all === masterKey) : one);
  let place = 0;
  return each(masterKey, (one) => checked(secrets[place++], typeof one === 'function'));
}

async function later(one, among) {
  try {
    return await one();
  } catch (cause) {
    if (among) return FAILED;
    throw callbackFailed(cause);
  }
}

/** In an array: a function that threw. The others are tried. */
const FAILED = false;

function orFailed(one) {
  try {
    return one();
  } catch {
    return FAILED;
  }
}

function each(masterKey, one) {
  if (!Array.isArray(masterKey)) return one(masterKey, false);
  return masterKey.map((item) => {
    if (item === undefined || item === null) throw invalid('an array of master keys must not hold null');
    return one(item, true);
  });
}

function called(masterKey) {
  try {
    return masterKey();
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

function checked(secret, isCallback) {
  if (types.isUint8Array(secret) || (isCallback && secret === FAILED)) return secret;
  if (isCallback) throw invalid('the masterKey function must return 32 bytes');
  if (secret === undefined || secret === null || typeof secret === 'string') return secret;
  if (secret instanceof Secret) return handleOf(secret);
  throw invalid(
    'masterKey must be 32 bytes, a string, a Passphrase, RecoveryKey or Shares, a function that returns 32 bytes, or an array of these',
  );
}

module.exports = { Passphrase, RecoveryKey, Shares, awaited, resolved };
