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
  mode: ['mode', text],
  immutable: ['immutable', flag],
  production: ['production', flag],
  insecureDev: ['insecure_dev', flag],
  requireMlock: ['require_mlock', flag],
};

const CREATE_KEY = {
  kind: ['kind', text],
  algorithm: ['algorithm', text],
  purpose: ['purpose', text],
  description: ['description', text],
  labels: ['labels', labels],
  exportable: ['exportable', flag],
  existOk: ['exist_ok', flag],
  expiresIn: ['expires_in', duration],
  onLimit: ['on_limit', text],
};

const ROTATE_KEY = {
  stage: ['stage', flag],
  algorithm: ['algorithm', text],
};

const PURPOSE = {
  description: ['description', text],
  rotationPeriod: ['rotation_period', duration],
  update: ['update', flag],
};

const ADD_RECIPIENT = {
  id: ['id', text],
  description: ['description', text],
};

const IMPORT_KEY = {
  asVersion: ['as_version', flag],
  kind: ['kind', text],
  algorithm: ['algorithm', text],
  purpose: ['purpose', text],
  description: ['description', text],
  labels: ['labels', labels],
  exportable: ['exportable', flag],
  expiresIn: ['expires_in', duration],
  onLimit: ['on_limit', text],
};

const IMPORT_KEYSET = {
  rotate: ['rotate', flag],
  purpose: ['purpose', text],
  description: ['description', text],
  labels: ['labels', labels],
  exportable: ['exportable', flag],
  expiresIn: ['expires_in', duration],
  onLimit: ['on_limit', text],
};

const RESTORE = {
  replaceOtherStore: ['replace_other_store', flag],
  force: ['force', flag],
  anchor: ['anchor', text],
  fingerprint: ['fingerprint', text],
  actor: ['actor', text],
  busyTimeout: ['busy_timeout', duration],
  allowNetworkFs: ['allow_network_fs', flag],
};

const MAC = {
  raw: ['raw', flag],
};

const REASON = {
  reason: ['reason', text],
};

const DELAY = {
  delay: ['delay', duration],
};

const VERSION = {
  version: ['version', count],
};

const SALT = {
  purpose: ['purpose', text],
  keyId: ['keyId', text],
};

const FILE = {
  force: ['force', flag],
};

const PASSPHRASE = {
  memoryKib: ['memoryKib', count],
  passes: ['passes', count],
  lanes: ['lanes', count],
  pbkdf2Rounds: ['pbkdf2Rounds', count],
};

const KEY_FILTER = {
  kind: ['kind', text],
  purpose: ['purpose', text],
  algorithm: ['algorithm', text],
  state: ['state', text],
  labels: ['labels', labels],
  search: ['search', text],
  after: ['after', text],
  limit: ['limit', count],
};

const INDEX = {
  kind: ['kind', text],
  length: ['length', count],
  normalize: ['normalize', texts],
  bits: ['bits', count],
};

/** As JSON for the core. */
function json(options, known) {
  return options === undefined ? '{}' : JSON.stringify(read(options, known));
}

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
  return value;
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

function texts(value, name) {
  if (!Array.isArray(value)) throw invalid(`${name} must be an array of strings`);
  return value.map((each) => text(each, name));
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

module.exports = {
  ADD_RECIPIENT,
  CREATE_KEY,
  DELAY,
  FILE,
  IMPORT_KEY,
  IMPORT_KEYSET,
  INDEX,
  KEY_FILTER,
  MAC,
  OPEN,
  PASSPHRASE,
  PURPOSE,
  REASON,
  RESTORE,
  ROTATE_KEY,
  SALT,
  VERSION,
  json,
  read,
  requireObject,
  unknownOption,
};
