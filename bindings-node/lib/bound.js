'use strict';

const { types } = require('node:util');
const { invalid } = require('./errors.js');
const { options: optionsFile } = require('./later.js');

/**
 * What a ciphertext is bound to, as the native functions take it: nothing, the bytes of `aad`, or a context packed
 * into one string. The core makes the associated data of it.
 */
function bound(options) {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null || ArrayBuffer.isView(options)) {
    throw invalid('aad and context go into an object: { aad } or { context }');
  }
  let aad;
  let context;
  for (const name in options) {
    if (!Object.hasOwn(options, name)) continue;
    if (name === 'context') context = options.context;
    else if (name === 'aad') aad = options.aad;
    else throw optionsFile().unknownOption(name, ['aad', 'context']);
  }
  if (context !== undefined) {
    if (aad !== undefined) throw invalid('aad and context exclude each other');
    return packed(context);
  }
  if (aad === undefined || types.isUint8Array(aad)) return aad;
  if (typeof aad === 'string') {
    throw invalid('aad must be a Buffer or Uint8Array; to bind to named fields in text use context');
  }
  throw invalid('aad must be a Buffer or Uint8Array');
}

/**
 * What the values of a batch are bound to, and what becomes of those that fail: one `aad` or `context` for all, or
 * `aads` or `contexts` with one for each.
 */
function boundMany(options, values, others) {
  if (options === undefined) return { bounds: undefined, returns: false };
  if (typeof options !== 'object' || options === null || ArrayBuffer.isView(options)) {
    throw invalid('aad and context go into an object: { aad } or { context }');
  }
  const { aads, contexts, onError, ...one } = options;
  if (onError !== undefined && !others.includes('onError')) throw optionsFile().unknownOption('onError', ['aad', 'context', 'aads', 'contexts']);
  if (onError !== undefined && onError !== 'raise' && onError !== 'return') throw invalid('onError must be "raise" or "return"');
  const given = [aads, contexts, one.aad, one.context].filter((each) => each !== undefined);
  if (given.length > 1) throw invalid('aad, context, aads and contexts exclude each other');
  const returns = onError === 'return';
  if (contexts !== undefined) return { bounds: packedMany(checkEach(contexts, values, 'contexts')), returns };
  if (aads !== undefined) return { bounds: checkEach(aads, values, 'aads').map((aad) => bound({ aad: aad ?? undefined })), returns };
  return { bounds: bound(one), returns };
}

function checkEach(all, values, name) {
  if (!Array.isArray(all)) throw invalid(`${name} must be an array, one for each value`);
  if (all.length !== values.length) {
    throw invalid(`${values.length} values have ${all.length} ${name}; give one for each`);
  }
  return all;
}

/** `*`, and each packed context after its length and `:`. */
function packedMany(contexts) {
  let all = '*';
  for (const context of contexts) {
    const one = packed(context);
    all += `${one.length}:${one}`;
  }
  return all;
}

/** For each field: length of the name, `t` or `b`, length of the value, `:`, name, value. */
function packed(context) {
  if (typeof context !== 'object' || context === null || Array.isArray(context) || !isRecord(context)) {
    throw invalid('context must be an object of named fields');
  }
  let all = '';
  for (const name of Object.keys(context)) {
    const value = context[name];
    if (typeof value === 'string') all += `${name.length}t${value.length}:${name}${value}`;
    else all += packedOther(name, value);
  }
  if (all === '') throw invalid('the context is empty; name at least one field, or leave it out');
  return all;
}

function packedOther(name, value) {
  if (Number.isSafeInteger(value) || typeof value === 'bigint') {
    const digits = `${value}`;
    return `${name.length}t${digits.length}:${name}${digits}`;
  }
  if (types.isUint8Array(value)) {
    const units = Buffer.from(value.buffer, value.byteOffset, value.byteLength).latin1Slice();
    return `${name.length}b${units.length}:${name}${units}`;
  }
  throw invalid(
    `the context's field ${JSON.stringify(name)} must be a string, a Buffer or Uint8Array, a safe integer or a bigint`,
  );
}

/** Whether its fields are its own: those of a Map or a Buffer are elsewhere. */
function isRecord(value) {
  return !(
    ArrayBuffer.isView(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isDate(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isPromise(value)
  );
}

module.exports = { bound, boundMany };
