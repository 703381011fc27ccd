'use strict';

const { types } = require('node:util');
const { invalid } = require('./errors.js');

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

module.exports = { checkCiphertext, checkData, checkMac, checkPlaintext, checkTarget, checkText };
