'use strict';

const { checkCiphertext, checkData, checkText, invalid } = require('./errors.js');
const options = require('./options.js');

/**
 * The calls of a store that only convert: what the native function of that name takes between the store's handle and
 * whether to give a Promise. `lib/store.js` makes each and its `…Async` twin of them.
 */
const CALLS = {
  createKey: (keyId, keyOptions) => [checkText(keyId, 'keyId'), options.json(keyOptions, options.CREATE_KEY)],
  createKeys,
  rotateKey: (keyId, rotateOptions) => [checkText(keyId, 'keyId'), options.json(rotateOptions, options.ROTATE_KEY)],
  archiveKey: (keyId) => [checkText(keyId, 'keyId')],
  keyInfo: (keyId) => [checkText(keyId, 'keyId')],
  keyUsage: (keyId) => [checkText(keyId, 'keyId')],
  listKeys: (filter) => [options.json(filter, options.KEY_FILTER)],
  listKeyVersions: (keyId) => [checkText(keyId, 'keyId')],
  promoteVersion: (keyId, version) => [checkText(keyId, 'keyId'), checkVersion(version)],
  setVersionState: (keyId, version, state, given) => [
    checkText(keyId, 'keyId'),
    checkVersion(version),
    checkText(state, 'state'),
    options.read(given, options.REASON).reason,
  ],
  scheduleDestruction: (keyId, version, given) => [
    checkText(keyId, 'keyId'),
    checkVersion(version),
    options.read(given, options.DELAY).delay,
  ],
  cancelDestruction: (keyId, version) => [checkText(keyId, 'keyId'), checkVersion(version)],
  runDue: () => [],
  purge: () => [],
  purgePending: () => [],
  registerPurpose: (purpose, given) => [checkText(purpose, 'purpose'), options.json(given, options.PURPOSE)],
  purposes: () => [],
  indexSalts: (scope) => saltOf(scope),
  rotateIndexSalt: (scope) => saltOf(scope),
  retireIndexSalt: (scope, version) => saltOf(scope, checkVersion(version)),
  getIndexSalt: (scope, version) => saltOf(scope, version),
  deriveKey: (keyId, purpose, length, given) => [
    checkText(keyId, 'keyId'),
    checkText(purpose, 'purpose'),
    checkCount(length, 'length'),
    options.read(given, options.VERSION).version,
  ],
  recipients: () => [],
  removeRecipient: (recipientId) => [checkText(recipientId, 'recipientId')],
  recipientPublicKey: (recipientId) => [recipientId === undefined ? undefined : checkText(recipientId, 'recipientId')],
  inspect: (ciphertext) => [checkCiphertext(ciphertext)],
  check: () => [],
  anchor: () => [],
  importKey,
  getDataKey: (keyId, given) => [checkText(keyId, 'keyId'), options.read(given, options.VERSION).version],
  getEncryptionKey: (keyId, keyBytes, encoding) => [
    checkText(keyId, 'keyId'),
    checkCount(keyBytes, 'keyBytes'),
    checkText(encoding ?? 'raw', 'encoding'),
  ],
  exportKeyset,
  importKeyset,
  quarantine: (kind, id, reason) => [checkText(kind, 'kind'), checkText(id, 'id'), checkText(reason, 'reason')],
  quarantined: () => [],
};

function createKeys(keys) {
  if (!Array.isArray(keys)) throw invalid('the keys must be an array of { keyId, …options }');
  const keyIds = [];
  const all = [];
  for (const [place, key] of keys.entries()) {
    try {
      options.requireObject(key, 'a key');
      const { keyId, ...keyOptions } = key;
      keyIds.push(checkText(keyId, 'keyId'));
      all.push(options.json(keyOptions, options.CREATE_KEY));
    } catch (error) {
      error.index = place;
      throw error;
    }
  }
  return [keyIds, all];
}

function importKey(keyId, material, given) {
  checkText(keyId, 'keyId');
  checkData(material);
  const { encoding = 'raw', ...plain } = given === undefined ? {} : options.requireObject(given, 'options');
  if (typeof material === 'string' && encoding === 'raw') {
    throw invalid('raw key material must be a Buffer or Uint8Array; of text say its encoding: "hex" or "base64"');
  }
  return [keyId, material, checkText(encoding, 'encoding'), options.json(plain, options.IMPORT_KEY)];
}

function exportKeyset(keyId, given) {
  checkText(keyId, 'keyId');
  const { format = 'json', recipient, ...rest } = options.requireObject(given ?? {}, 'options');
  const sealed = recipient === undefined ? [] : [['recipient', checkText(recipient, 'recipient')]];
  const { protection, secret, plain } = protectionOf(rest, 'recipient', sealed);
  options.read(plain, {});
  return [keyId, checkText(format, 'format'), protection, secret];
}

function importKeyset(keyId, keyset, given) {
  checkText(keyId, 'keyId');
  checkData(keyset);
  const { ownRecipient, ...rest } = options.requireObject(given ?? {}, 'options');
  const sealed = checkFlag(ownRecipient, 'ownRecipient') ? [['own', undefined]] : [];
  const { protection, secret, plain } = protectionOf(rest, 'ownRecipient: true', sealed);
  return [keyId, keyset, protection, secret, options.json(plain, options.IMPORT_KEYSET)];
}

/** What keeps a keyset: exactly one; `named` is what only one direction has, and `other` how it is written. */
function protectionOf({ insecureCleartext, passphrase, key, ...plain }, other, named) {
  if (checkFlag(insecureCleartext, 'insecureCleartext')) named.push(['cleartext', undefined]);
  if (passphrase !== undefined) named.push(['passphrase', checkData(passphrase)]);
  if (key !== undefined) named.push(['key', checkText(key, 'key')]);
  if (named.length !== 1) {
    throw invalid(
      `say what keeps the keyset: passphrase, key (the id of one), ${other} or insecureCleartext: true, one of them`,
    );
  }
  const [[protection, secret]] = named;
  return { protection, secret, plain };
}

function checkFlag(value, what) {
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw invalid(`${what} must be true or false`);
}

/** A purpose by its name, or `{ purpose }` or `{ keyId }`. */
function saltOf(scope, version) {
  if (version !== undefined && version !== null) checkVersion(version);
  if (typeof scope === 'string') return [scope, undefined, version];
  const { purpose, keyId } = options.read(options.requireObject(scope, 'whose index salt:'), options.SALT);
  return [purpose, keyId, version];
}

function checkVersion(version) {
  return checkCount(version, 'version');
}

function checkCount(value, what) {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`${what} must be a whole number`);
}

module.exports = { CALLS };
