'use strict';

const { types } = require('node:util');
const { boundMany } = require('./bound.js');
const { KeyfoldError, answered, failed, invalid } = require('./errors.js');
const native = require('./native.js');

/** What is `null` or `undefined` in a batch has this length, and what did not decrypt that. */
const NULL = -1;
const FAILED = -2;
/** The most values of a batch, and bytes of all together. */
const VALUES = 100_000;
const BYTES = 256 * 1024 * 1024;
/** How many texts are joined at once. */
const PART = 512;

function encryptMany(handle, values, options) {
  const lengths = lengthsOf(values, bytesLength, VALUES);
  const { bounds } = boundMany(options, values, []);
  const made = answered(native.encryptMany(handle, joined(values, lengths), asBytes(lengths), bounds));
  return cut(made, lengths, (start, end) => made.subarray(start, end));
}

function decryptMany(handle, values, options) {
  const given = Array.isArray(values)
    ? values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value))
    : values;
  const lengths = lengthsOf(given, bytesLength, VALUES);
  const { bounds, returns } = boundMany(options, values, ['onError']);
  const answer = answered(native.decryptMany(handle, joined(given, lengths), asBytes(lengths), bounds, returns));
  const [plaintexts, failures] = Array.isArray(answer) ? answer : [answer, []];
  let next = 0;
  const own = (start, end) => {
    // Of its very length, and alone in its memory.
    const plaintext = Buffer.allocUnsafeSlow(end - start);
    plaintexts.copy(plaintext, 0, start, end);
    return plaintext;
  };
  const opened = cut(plaintexts, lengths, own, () => failed(failures[next++]));
  plaintexts.fill(0);
  return opened;
}

function encryptManyText(handle, values, options) {
  const lengths = lengthsOf(values, textLength, VALUES);
  const { bounds } = boundMany(options, values, []);
  const { all: made, collect } = collector(values.length);
  answered(native.encryptManyText(handle, joinedTexts(values), asBytes(lengths), bounds, collect));
  return made;
}

function decryptManyText(handle, values, options) {
  const lengths = lengthsOf(values, textLength, VALUES);
  const { bounds, returns } = boundMany(options, values, ['onError']);
  const { all: opened, collect } = collector(values.length);
  answered(native.decryptManyText(handle, joinedTexts(values), asBytes(lengths), bounds, collect, returns, PART));
  if (!returns) return opened;
  return opened.map((value) => (typeof value === 'object' && value !== null ? failed(value) : value));
}

/** In parts that V8 has room for where it makes short-lived strings: one of all would get pages of its own each time. */
function joinedTexts(values) {
  const parts = [];
  for (let start = 0; start < values.length; start += PART) parts.push(values.slice(start, start + PART).join(''));
  return parts;
}

/** What a native function hands over some at a time, in one array. */
function collector(count) {
  const all = new Array(count);
  let next = 0;
  const collect = (...some) => {
    for (let place = 0; place < some.length; place += 1) all[next++] = some[place];
  };
  return { all, collect };
}

function encryptManyPacked(handle, packed, options) {
  return packedThrough(native.encryptMany, handle, packed, options);
}

function decryptManyPacked(handle, packed, options) {
  return packedThrough(native.decryptMany, handle, packed, options);
}

function packedThrough(run, handle, packed, options) {
  const lengths = packedLengths(packed);
  const { bounds } = boundMany(options, lengths, []);
  const bytes = answered(run(handle, packed.bytes, asBytes(lengths), bounds, false));
  const offsets = new Uint32Array(lengths.length + 1);
  for (let place = 0; place < lengths.length; place += 1) offsets[place + 1] = offsets[place] + lengths[place];
  return { bytes, offsets };
}

function packedLengths(packed) {
  if (typeof packed !== 'object' || packed === null || !types.isUint8Array(packed.bytes) || !types.isUint32Array(packed.offsets)) {
    throw invalid('packed values are { bytes: Uint8Array, offsets: Uint32Array }');
  }
  const { bytes, offsets } = packed;
  if (offsets.length === 0 || offsets[0] !== 0 || offsets[offsets.length - 1] !== bytes.length) {
    throw invalid('offsets must begin with 0 and end with the length of bytes: one more than there are values');
  }
  tooMany(offsets.length - 1, VALUES);
  const lengths = new Int32Array(offsets.length - 1);
  for (let place = 0; place < lengths.length; place += 1) {
    if (offsets[place + 1] < offsets[place]) throw invalid('offsets must not fall');
    lengths[place] = offsets[place + 1] - offsets[place];
  }
  return lengths;
}

/** Values for a blind index or a report: texts as one string, or bytes as one Buffer. */
function indexValues(values, most) {
  if (Array.isArray(values) && values.some((value) => types.isUint8Array(value))) {
    const bytes = values.map((value) => (typeof value === 'string' ? utf8(value) : value));
    const lengths = lengthsOf(bytes, bytesLength, most);
    return { all: joined(bytes, lengths), lengths };
  }
  const lengths = lengthsOf(values, textLength, most);
  return { all: values.join(''), lengths };
}

function utf8(text) {
  if (!isWellFormed(text)) throw invalid('a value must be well-formed text: it holds half a surrogate pair');
  return Buffer.from(text);
}

function isWellFormed(text) {
  return Buffer.from(text).toString() === text;
}

/** The length of each value. */
function lengthsOf(values, of, most) {
  if (!Array.isArray(values)) throw invalid('the values of a batch must be an array');
  tooMany(values.length, most);
  const lengths = new Int32Array(values.length);
  let total = 0;
  for (let place = 0; place < values.length; place += 1) {
    const value = values[place];
    if (value === null || value === undefined) {
      lengths[place] = NULL;
      continue;
    }
    const length = of(value, place);
    total += length;
    if (total > BYTES) throw limit(`a batch is at most ${BYTES} bytes (256 MiB), all its values together; make it smaller`);
    lengths[place] = length;
  }
  return lengths;
}

function tooMany(count, most) {
  if (count > most) throw limit(`a batch is at most ${most} values`);
}

function limit(message) {
  return new KeyfoldError('KEYFOLD_LIMIT_EXCEEDED', message);
}

function textLength(value, place) {
  if (typeof value === 'string') return value.length;
  throw at(place, 'must be a string or null');
}

function bytesLength(value, place) {
  if (types.isUint8Array(value)) return value.length;
  throw at(place, 'must be a Buffer or Uint8Array or null; for text use the …Text twin');
}

function at(place, what) {
  return new KeyfoldError('KEYFOLD_INVALID_ARGUMENT', `value ${place} of the batch ${what}`, { index: place });
}

function joined(values, lengths) {
  let total = 0;
  for (const length of lengths) if (length > 0) total += length;
  const all = Buffer.allocUnsafeSlow(total);
  let start = 0;
  for (let place = 0; place < values.length; place += 1) {
    if (lengths[place] <= 0) continue;
    all.set(values[place], start);
    start += lengths[place];
  }
  return all;
}

function cut(bytes, lengths, piece, failure) {
  const pieces = new Array(lengths.length);
  let start = 0;
  for (let place = 0; place < lengths.length; place += 1) {
    const length = lengths[place];
    if (length === NULL) pieces[place] = null;
    else if (length === FAILED) pieces[place] = failure();
    else {
      pieces[place] = piece(start, start + length);
      start += length;
    }
  }
  return pieces;
}

function asBytes(lengths) {
  return new Uint8Array(lengths.buffer, lengths.byteOffset, lengths.byteLength);
}

module.exports = {
  asBytes,
  cut,
  decryptMany,
  decryptManyPacked,
  decryptManyText,
  encryptMany,
  encryptManyPacked,
  encryptManyText,
  indexValues,
};
