'use strict';

const { types } = require('node:util');
const { checkText } = require('./lib/bytes.js');
const { KeyfoldError, answered, errorCodes } = require('./lib/errors.js');
const { Key } = require('./lib/key.js');
const native = require('./lib/native.js');
const { Store, open, openAsync } = require('./lib/store.js');

function generateMasterKey() {
  return answered(native.generateMasterKey());
}

function isCiphertext(value) {
  if (typeof value !== 'string' && !types.isUint8Array(value)) return false;
  return answered(native.isCiphertext(value));
}

function toText(ciphertext) {
  return answered(native.toText(ciphertext));
}

function fromText(text) {
  checkText(text, 'the text form');
  return answered(native.fromText(text));
}

// One a line, so that Node finds the names for import.
exports.open = open;
exports.openAsync = openAsync;
exports.Store = Store;
exports.Key = Key;
exports.KeyfoldError = KeyfoldError;
exports.errorCodes = errorCodes;
exports.generateMasterKey = generateMasterKey;
exports.isCiphertext = isCiphertext;
exports.toText = toText;
exports.fromText = fromText;
exports.version = native.version();
