import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Key, Store, generateMasterKey, open, openAsync } from '../index.mjs';
import { fails, folder, masterKey, newStore } from './helpers.mjs';

test('a missing file stays missing', (t) => {
  const path = join(folder(t), 'app.keyfold');
  assert.throws(() => open(path, { masterKey }), fails('NOT_FOUND', /keyfold init/));
  assert.equal(existsSync(path), false);
});

test('infos are plain objects with dates', (t) => {
  const { store } = newStore(t);
  const before = Date.now();
  const info = store.createKey('k', {
    algorithm: 'XAES256_GCM',
    purpose: 'medical',
    description: 'a note',
    exportable: true,
    labels: Object.fromEntries([['team', 'people'], ['__proto__', 'kept']]),
  });
  assert.equal(Object.getPrototypeOf(info), Object.prototype);
  assert.ok(info.createdAt instanceof Date && Math.abs(info.createdAt - before) < 60_000);
  assert.equal(info.rotationDueAt - info.createdAt, 365 * 86_400_000);
  assert.deepEqual({ ...info, createdAt: null, labels: null, rotationDueAt: null }, {
    keyId: 'k',
    kind: 'aead',
    algorithm: 'XAES256_GCM',
    purpose: 'medical',
    description: 'a note',
    currentVersion: 1,
    exportable: true,
    archived: false,
    createdAt: null,
    verified: true,
    expiresAt: null,
    expiresIn: null,
    onLimit: 'rotate',
    rotationDueAt: null,
    labels: null,
  });
  assert.deepEqual(Object.entries(info.labels).sort(), [['__proto__', 'kept'], ['team', 'people']]);
  assert.deepEqual(store.keyInfo('k'), info);
  assert.deepEqual(store.key('k').info(), info);
});

test('versions are newest first, and every one decrypts', (t) => {
  const { store, pii } = newStore(t);
  const sealed = [pii.encrypt(Buffer.from('0'))];
  for (let round = 1; round <= 5; round += 1) {
    assert.equal(store.rotateKey('pii').version, round + 1);
    sealed.push(pii.encrypt(Buffer.from(`${round}`)));
  }
  const versions = store.listKeyVersions('pii');
  assert.deepEqual(versions.map((version) => version.version), [6, 5, 4, 3, 2, 1]);
  assert.deepEqual(versions.map((version) => version.isCurrent), [true, false, false, false, false, false]);
  assert.deepEqual(Object.keys(versions[0]), [
    'keyId', 'version', 'tag', 'isCurrent', 'state', 'algorithm', 'createdAt', 'expiresAt', 'destroyAt', 'stateReason', 'verified',
  ]);
  sealed.forEach((each, round) => {
    assert.equal(pii.decrypt(each).toString(), `${round}`);
    const [info] = store.inspect(each);
    assert.equal(info.version, round + 1);
    assert.equal(info.tag, each.readUInt32BE(1));
    assert.equal(info.isCurrent, round === 5);
    assert.ok(info.createdAt instanceof Date);
  });
});

test('keys are listed by filter', (t) => {
  const { store } = newStore(t);
  store.createKey('a', { purpose: 'api', labels: { team: 'x' } });
  store.createKey('b', { algorithm: 'AES256_GCM', description: 'of % and _' });
  const ids = (filter) => store.listKeys(filter).map((info) => info.keyId);
  assert.deepEqual(ids(), ['a', 'b', 'pii']);
  assert.deepEqual(ids({ purpose: 'api' }), ['a']);
  assert.deepEqual(ids({ algorithm: 'AES256_GCM' }), ['b']);
  assert.deepEqual(ids({ labels: { team: 'x' } }), ['a']);
  assert.deepEqual(ids({ search: '%' }), ['b']);
  assert.deepEqual(ids({ after: 'a', limit: 1 }), ['b']);
  assert.deepEqual(ids({ purpose: null, limit: undefined }), ['a', 'b', 'pii']);
  for (const bad of [{ limit: -1 }, { limit: 1.5 }, { limit: Number.NaN }, { limit: '1' }, { kinds: 'aead' }, [], 'a', null]) {
    assert.throws(() => store.listKeys(bad), fails('INVALID_ARGUMENT'));
  }
});

test('options of wrong types and names are refused by name', (t) => {
  const { store, path } = newStore(t);
  const opening = (options, message) =>
    assert.throws(() => open(path, { masterKey, ...options }), fails('INVALID_ARGUMENT', message));
  opening({ refresh_interval: '1s' }, /"refresh_interval".*refreshInterval/);
  opening({ refreshInterval: 5 }, /refreshInterval must be a text such as "5s"/);
  opening({ create: 1 }, /create must be true or false/);
  opening({ create: () => true }, /create/);
  opening({ actor: Symbol('me') }, /actor/);
  opening({ anchor: 5n }, /anchor/);
  assert.throws(() => open(path, masterKey), fails('INVALID_ARGUMENT', /\{ masterKey \}/));
  assert.throws(() => open(path, null), fails('INVALID_ARGUMENT'));
  for (const bad of [undefined, null, 5, {}, Buffer.from(path), new URL(`file://${path}`)]) {
    assert.throws(() => open(bad, { masterKey }), fails('INVALID_ARGUMENT', /path must be a string/));
  }
  assert.throws(() => open('\ud800', { masterKey }), fails('INVALID_ARGUMENT', /surrogate/));
  assert.throws(() => open('', { masterKey }), fails('INVALID_ARGUMENT'));
  const creating = (options, message) =>
    assert.throws(() => store.createKey('k', options), fails('INVALID_ARGUMENT', message));
  creating({ labels: { a: 1 } }, /label "a" must be a string/);
  creating({ labels: ['a'] }, /labels must be an object/);
  creating({ exist_ok: true }, /existOk/);
  creating('AES256_GCM', /options/);
  creating({ description: '\udc00' });
  for (const bad of [undefined, null, 5, {}, ['pii'], Symbol('pii')]) {
    for (const method of ['key', 'createKey', 'rotateKey', 'keyInfo', 'listKeyVersions']) {
      assert.throws(() => store[method](bad), fails('INVALID_ARGUMENT', /keyId must be a string/));
    }
  }
});

test('anchor and fingerprint open their store and refuse others', (t) => {
  const one = newStore(t);
  const two = newStore(t);
  const anchor = one.store.anchor();
  const fingerprint = one.store.fingerprint();
  one.store.rotateKey('pii');
  open(one.path, { masterKey, anchor, fingerprint }).close();
  assert.throws(() => open(two.path, { masterKey, anchor }), fails('INTEGRITY_ERROR'));
  assert.throws(() => open(two.path, { masterKey, fingerprint }), fails('INTEGRITY_ERROR'));
});

test('check reports', (t) => {
  const { store } = newStore(t);
  const report = store.check();
  assert.equal(report.ok, true);
  assert.deepEqual(report.findings, []);
  assert.deepEqual([report.keys, report.versions, report.auditRecords, report.generation], [1, 1, 2, 2]);
  assert.equal(typeof report.lockedBytes, 'number');
  assert.equal(typeof report.unlockedBytes, 'number');
  assert.ok(store.warnings().every((warning) => typeof warning === 'string'));
});

test('everything that may block has a twin with a Promise', async (t) => {
  const path = join(folder(t), 'app.keyfold');
  const store = await openAsync(path, { masterKey, create: true });
  assert.ok(store instanceof Store);
  assert.equal((await store.createKeyAsync('pii', { purpose: 'pii' })).purpose, 'pii');
  const [one, two] = await Promise.all([store.keyAsync('pii'), store.keyAsync('pii')]);
  assert.ok(one instanceof Key && one === two && one === store.key('pii'));
  const sealed = one.encrypt(Buffer.from('ada'));
  assert.equal((await store.rotateKeyAsync('pii')).version, 2);
  assert.equal((await store.keyInfoAsync('pii')).currentVersion, 2);
  assert.equal((await store.listKeysAsync()).length, 1);
  assert.equal((await store.listKeyVersionsAsync('pii')).length, 2);
  assert.equal((await store.inspectAsync(sealed))[0].version, 1);
  assert.equal((await store.checkAsync()).ok, true);
  assert.equal(await store.anchorAsync(), store.anchor());
  await assert.rejects(store.keyAsync('nope'), fails('NOT_FOUND'));
  await assert.rejects(store.keyAsync(5), fails('INVALID_ARGUMENT'));
  await assert.rejects(store.createKeyAsync('pii'), fails('ALREADY_EXISTS'));
  await assert.rejects(openAsync(path, { masterKey: generateMasterKey() }), fails('WRONG_MASTER_KEY'));
  await assert.rejects(openAsync(5), fails('INVALID_ARGUMENT'));
  await store.closeAsync();
  await assert.rejects(store.keyAsync('pii'), fails('CLOSED'));
});

test('the event loop goes on while a twin waits', async (t) => {
  const { store } = newStore(t);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  for (let round = 0; round < 20; round += 1) await store.rotateKeyAsync('pii');
  clearInterval(timer);
  assert.ok(turns > 0);
});

test('after close every call is refused, and closing again does nothing', (t) => {
  const { store, pii } = newStore(t);
  const sealed = pii.encrypt(Buffer.from('ada'));
  store.close();
  store.close();
  const calls = [
    () => pii.encrypt(Buffer.from('ada')),
    () => pii.decrypt(sealed),
    () => pii.encryptText('ada'),
    () => pii.info(),
    () => pii.ciphertextLength(1),
    () => pii.needsReencrypt(sealed),
    () => pii.blindIndex('ada', 'f'),
    () => store.key('pii'),
    () => store.key('other'),
    () => store.createKey('k'),
    () => store.rotateKey('pii'),
    () => store.listKeys(),
    () => store.check(),
    () => store.anchor(),
    () => store.inspect(sealed),
    () => store.encrypt('pii', Buffer.from('ada')),
  ];
  for (const call of calls) assert.throws(call, fails('CLOSED'), `${call}`);
  assert.equal(pii.id, 'pii');
});

test('dispose closes', { skip: !Symbol.dispose && 'this Node has no Symbol.dispose' }, async (t) => {
  const { store } = newStore(t);
  store[Symbol.dispose]();
  assert.throws(() => store.anchor(), fails('CLOSED'));
  const { store: other } = newStore(t);
  await other[Symbol.asyncDispose]();
  assert.throws(() => other.anchor(), fails('CLOSED'));
});

test('stores and keys come from open alone', () => {
  assert.throws(() => new Store(), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Key(), fails('INVALID_ARGUMENT'));
});

test('two stores in one process do not mix', (t) => {
  const one = newStore(t);
  const two = newStore(t);
  const sealed = one.pii.encrypt(Buffer.from('ada'));
  assert.throws(() => two.pii.decrypt(sealed), fails('DECRYPTION_FAILED'));
  one.store.close();
  two.pii.encrypt(Buffer.from('ada'));
});
