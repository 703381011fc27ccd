'use strict';

const { types } = require('node:util');
const { checkText } = require('./lib/bytes.js');
const { KeyfoldError, answered, errorCodes } = require('./lib/errors.js');
const { Key } = require('./lib/key.js');
const native = require('./lib/native.js');
const { Passphrase, RecoveryKey, Shares } = require('./lib/master_key.js');
const { asBytes, indexValues } = require('./lib/batch.js');
const options = require('./lib/options.js');
const { DecryptStream, EncryptStream } = require('./lib/stream.js');
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
  const json = options.json(indexOptions, options.INDEX);
  const { all, lengths } = indexValues(values, REPORT_VALUES);
  return native.indexReport(all, asBytes(lengths), json, later);
}

// One a line, so that Node finds the names for import.
exports.open = open;
exports.openAsync = openAsync;
exports.restore = restore;
exports.restoreAsync = restoreAsync;
exports.Store = Store;
exports.Key = Key;
exports.EncryptStream = EncryptStream;
exports.DecryptStream = DecryptStream;
exports.Passphrase = Passphrase;
exports.RecoveryKey = RecoveryKey;
exports.Shares = Shares;
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
