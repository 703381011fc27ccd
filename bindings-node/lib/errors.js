'use strict';

// What is refused, and how it is told: the errors, and the checks of arguments that give them.

const { types } = require('node:util');

/** Every code of a KeyfoldError; a test compares the list with the core's. */
const errorCodes = Object.freeze([
  'KEYFOLD_INVALID_ARGUMENT',
  'KEYFOLD_NOT_FOUND',
  'KEYFOLD_ALREADY_EXISTS',
  'KEYFOLD_IN_USE',
  'KEYFOLD_KEY_UNAVAILABLE',
  'KEYFOLD_DECRYPTION_FAILED',
  'KEYFOLD_VERIFICATION_FAILED',
  'KEYFOLD_WRONG_MASTER_KEY',
  'KEYFOLD_INTEGRITY_ERROR',
  'KEYFOLD_PERMISSION_DENIED',
  'KEYFOLD_RATE_LIMITED',
  'KEYFOLD_LIMIT_EXCEEDED',
  'KEYFOLD_UNSUPPORTED',
  'KEYFOLD_PROVIDER_UNAVAILABLE',
  'KEYFOLD_PROVIDER_DENIED',
  'KEYFOLD_BUSY',
  'KEYFOLD_STORAGE_FULL',
  'KEYFOLD_STORAGE',
  'KEYFOLD_CLOSED',
  'KEYFOLD_INTERNAL',
]);

class KeyfoldError extends Error {
  constructor(code, message, details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.retryAfter = details.retryAfter ?? null;
    this.keyId = details.keyId ?? null;
    this.version = details.version ?? null;
    this.index = details.index ?? null;
  }
}
Object.defineProperty(KeyfoldError.prototype, 'name', {
  value: 'KeyfoldError',
  writable: true,
  configurable: true,
});

/** The error for a call that the caller can fix. */
function invalid(message, cause) {
  return new KeyfoldError('KEYFOLD_INVALID_ARGUMENT', message, { cause });
}

/** The error that a native function's answer tells of. */
function failed(failure) {
  const cause = failure.cause === null ? undefined : new Error(failure.cause);
  return new KeyfoldError(failure.code, failure.message, { ...failure, cause });
}

/** What a native function answered; throws where that is a failure. */
function answered(answer) {
  if (typeof answer === 'object' && answer !== null && answer.failure === true) throw failed(answer);
  return answer;
}

/**
 * Has sending the object to another thread, or cloning it, fail with a word about why. Cloning would otherwise give an
 * empty object there. It reads every enumerable property.
 */
function keepHere(object, name) {
  Object.defineProperty(object, 'thread', {
    enumerable: true,
    get() {
      throw invalid(`${name} stays in its thread and cannot be cloned: open the store in each thread`);
    },
  });
  return object;
}

function checkPlaintext(value) {
  if (types.isUint8Array(value)) return;
  if (typeof value === 'string') {
    throw invalid('the plaintext must be a Buffer or Uint8Array; for text use encryptText, or Buffer.from(text)');
  }
  throw invalid('the plaintext must be a Buffer or Uint8Array');
}

function checkCiphertext(value) {
  if (typeof value === 'string' || types.isUint8Array(value)) return value;
  throw invalid('the ciphertext must be a Buffer, a Uint8Array, or text that begins with "kf1."');
}

function checkTarget(value) {
  if (types.isUint8Array(value)) return;
  throw invalid('the target must be a Buffer or Uint8Array');
}

function checkText(value, what) {
  if (typeof value !== 'string') throw invalid(`${what} must be a string`);
  return value;
}

function checkData(value) {
  if (typeof value === 'string' || types.isUint8Array(value)) return value;
  throw invalid('the data must be a Buffer, a Uint8Array or a string');
}

function checkMac(value) {
  if (typeof value === 'string' || types.isUint8Array(value)) return;
  throw invalid('the mac must be a Buffer, a Uint8Array, or text that begins with "kf1."');
}

module.exports = {
  KeyfoldError,
  answered,
  checkCiphertext,
  checkData,
  checkMac,
  checkPlaintext,
  checkTarget,
  checkText,
  errorCodes,
  failed,
  invalid,
  keepHere,
};
