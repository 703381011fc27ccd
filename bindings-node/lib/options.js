'use strict';

const { invalid } = require('./errors.js');

// Each option: its name in the core, and what it must be.
const OPEN = {
  create: ['create', flag],
  refreshInterval: ['refresh_interval', duration],
  maxStale: ['max_stale', duration],
  busyTimeout: ['busy_timeout', duration],
  anchor: ['anchor', text],
  fingerprint: ['fingerprint', text],
  actor: ['actor', text],
  allowNetworkFs: ['allow_network_fs', flag],
};

const CREATE_KEY = {
  kind: ['kind', text],
  algorithm: ['algorithm', text],
  purpose: ['purpose', text],
  description: ['description', text],
  labels: ['labels', labels],
  exportable: ['exportable', flag],
  existOk: ['exist_ok', flag],
};

const KEY_FILTER = {
  kind: ['kind', text],
  purpose: ['purpose', text],
  algorithm: ['algorithm', text],
  labels: ['labels', labels],
  search: ['search', text],
  after: ['after', text],
  limit: ['limit', count],
};

const INDEX = {
  kind: ['kind', text],
  bits: ['bits', count],
};

/** The options under the core's names. Those left undefined, or null as infos have them, are left out. */
function read(options, known) {
  const found = {};
  if (options === undefined) return found;
  requireObject(options, 'options');
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(known, name)) throw unknownOption(name, Object.keys(known));
    const value = options[name];
    if (value === undefined || value === null) continue;
    const [coreName, check] = known[name];
    found[coreName] = check(value, name);
  }
  return found;
}

function requireObject(value, what) {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw invalid(`${what} must be an object`);
  }
}

function unknownOption(name, known) {
  return invalid(`there is no option ${JSON.stringify(name)} here; there are: ${known.join(', ')}`);
}

function flag(value, name) {
  if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`);
  return value;
}

function text(value, name) {
  if (typeof value !== 'string') throw invalid(`${name} must be a string`);
  return value;
}

function duration(value, name) {
  if (typeof value !== 'string') throw invalid(`${name} must be a text such as "5s" or "500ms"`);
  return value;
}

function count(value, name) {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${name} must be a whole number`);
  return value;
}

function labels(value, name) {
  requireObject(value, name);
  const entries = Object.entries(value);
  for (const [label, labelValue] of entries) text(labelValue, `label ${JSON.stringify(label)}`);
  return Object.fromEntries(entries);
}

module.exports = { CREATE_KEY, INDEX, KEY_FILTER, OPEN, read, unknownOption };
