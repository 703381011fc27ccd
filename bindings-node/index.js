'use strict';

const { types } = require('node:util');
const { KeyfoldError, answered, checkText, errorCodes } = require('./lib/errors.js');
const { Key } = require('./lib/key.js');
const { batch, masterKeys, options, streams } = require('./lib/later.js');
const native = require('./lib/native.js');
const { Store, open, openAsync, restore, restoreAsync } = require('./lib/store.js');

/** The most values of a report. */
const REPORT_VALUES = 1_000_000;

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

function indexReport(values, indexOptions) {
  return answered(report(values, indexOptions, false));
}

async function indexReportAsync(values, indexOptions) {
  return answered(await report(values, indexOptions, true));
}

function report(values, indexOptions, later) {
  const json = options().json(indexOptions, options().INDEX);
  const { asBytes, indexValues } = batch();
  const { all, lengths } = indexValues(values, REPORT_VALUES);
  return native.indexReport(all, asBytes(lengths), json, later);
}

// In the order of index.mjs, which imports them all.
exports.open = open;
exports.openAsync = openAsync;
exports.restore = restore;
exports.restoreAsync = restoreAsync;
exports.Store = Store;
exports.Key = Key;
onDemand('EncryptStream', streams);
onDemand('DecryptStream', streams);
onDemand('Passphrase', masterKeys);
onDemand('RecoveryKey', masterKeys);
onDemand('Shares', masterKeys);
exports.KeyfoldError = KeyfoldError;
exports.errorCodes = errorCodes;
exports.generateMasterKey = generateMasterKey;
exports.isCiphertext = isCiphertext;
exports.toText = toText;
exports.fromText = fromText;
exports.indexReport = indexReport;
exports.indexReportAsync = indexReportAsync;
exports.PURPOSES = Object.freeze(native.builtInPurposes());
exports.version = native.version();

/** A class whose file is loaded when somebody looks at it. */
function onDemand(name, load) {
  const put = (value) => Object.defineProperty(exports, name, { value, enumerable: true, configurable: true, writable: true });
  Object.defineProperty(exports, name, {
    enumerable: true,
    configurable: true,
    get() {
      const found = load()[name];
      put(found);
      return found;
    },
    set: put,
  });
}
