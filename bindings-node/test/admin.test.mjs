// Lifecycle, purposes, index salts, recipients, import and export, backups: each with its twin.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { PURPOSES, Passphrase, RecoveryKey, Shares, Store, generateMasterKey, open, openAsync, restore, restoreAsync } from '../index.mjs';
import { fails, folder, masterKey, newStore, packageFolder } from './helpers.mjs';

const CHEAP = { memoryKib: 19 * 1024, passes: 1, lanes: 1 };

/** Runs with a function that makes a call, and with one that makes its twin. */
function both(name, run) {
  for (const twin of ['', 'Async']) {
    test(`${name}${twin && ', with Promises'}`, async (t) => {
      const { store, pii, path } = newStore(t);
      await run({ t, store, pii, path, call: async (method, ...given) => store[`${method}${twin}`](...given), twin });
    });
  }
}

both('versions are staged, promoted, stopped and destroyed', async ({ store, pii, call }) => {
  const first = pii.encryptText('ada');
  const staged = await call('rotateKey', 'pii', { stage: true, algorithm: 'XAES256_GCM' });
  assert.deepEqual([staged.state, staged.isCurrent, staged.algorithm], ['staged', false, 'XAES256_GCM']);
  assert.equal((await call('promoteVersion', 'pii', 2)).isCurrent, true);
  const stopped = await call('setVersionState', 'pii', 1, 'disabled', { reason: 'leaked' });
  assert.deepEqual([stopped.state, stopped.stateReason], ['disabled', 'leaked']);
  assert.throws(() => pii.decryptText(first), fails('KEY_UNAVAILABLE'));
  await call('setVersionState', 'pii', 1, 'enabled');
  const before = Date.now();
  const scheduled = await call('scheduleDestruction', 'pii', 1);
  assert.equal(scheduled.state, 'pending_destruction');
  assert.ok(Math.abs(scheduled.destroyAt - before - 30 * 86_400_000) < 60_000);
  assert.equal((await call('cancelDestruction', 'pii', 1)).state, 'enabled');
  assert.equal(pii.decryptText(first), 'ada');
  await call('scheduleDestruction', 'pii', 1, { delay: '0s' });
  const report = await call('runDue');
  assert.ok(report.at instanceof Date);
  assert.deepEqual([report.destroyed, report.failures, report.purgePending], [[{ keyId: 'pii', version: 1 }], [], false]);
  assert.throws(() => pii.decryptText(first), fails('KEY_UNAVAILABLE'));
  assert.equal(await call('purge'), false);
  assert.equal(await call('purgePending'), false);
  const usage = await call('keyUsage', 'pii');
  assert.deepEqual(usage.map((one) => one.version), [2, 1]);
  assert.ok(Number.isSafeInteger(usage[1].messages) && usage[1].limit > 2 ** 32);
  await call('createKey', 'gcm', { algorithm: 'AES256_GCM' });
  store.key('gcm').encryptText('ada');
  const [counted] = await call('keyUsage', 'gcm');
  assert.ok(counted.messages >= 1 && counted.limit === 2 ** 32);
  assert.equal((await call('archiveKey', 'pii')).archived, true);
  assert.throws(() => pii.encryptText('ada'), fails('KEY_UNAVAILABLE'));
  assert.deepEqual(store.listKeys({ state: 'archived' }).map((info) => info.keyId), ['pii']);
});

both('bad administration is refused', async ({ call }) => {
  const refused = (code, method, ...given) => assert.rejects(() => call(method, ...given), fails(code));
  await refused('INVALID_ARGUMENT', 'rotateKey', 'pii', { staged: true });
  await refused('INVALID_ARGUMENT', 'rotateKey', 'pii', { algorithm: 'HMAC_SHA256' });
  await refused('INVALID_ARGUMENT', 'setVersionState', 'pii', 1, 'gone');
  await refused('INVALID_ARGUMENT', 'setVersionState', 'pii', 1, 'destroyed');
  await refused('IN_USE', 'setVersionState', 'pii', 1, 'disabled');
  await refused('IN_USE', 'scheduleDestruction', 'pii', 1);
  for (const delay of [5, '5', 'soon', '-1d']) await refused('INVALID_ARGUMENT', 'scheduleDestruction', 'pii', 1, { delay });
  for (const version of ['1', 1.5, -1, 2 ** 40, null, undefined]) await refused('INVALID_ARGUMENT', 'promoteVersion', 'pii', version);
  for (const version of [0, 2]) await refused('NOT_FOUND', 'promoteVersion', 'pii', version);
  await refused('NOT_FOUND', 'keyUsage', 'none');
  await refused('INVALID_ARGUMENT', 'registerPurpose', 'p', { rotationPeriod: 90 });
  await refused('ALREADY_EXISTS', 'registerPurpose', 'medical');
  await refused('INVALID_ARGUMENT', 'keyFor', 'none');
  await refused('NOT_FOUND', 'keyFor', 'medical');
  for (const scope of [undefined, {}, { purpose: 'pii', keyId: 'pii' }, { key: 'pii' }, 5]) await refused('INVALID_ARGUMENT', 'rotateIndexSalt', scope);
  await refused('INVALID_ARGUMENT', 'retireIndexSalt', { keyId: 'pii' });
  await refused('IN_USE', 'retireIndexSalt', { keyId: 'pii' }, 1);
  await refused('INVALID_ARGUMENT', 'deriveKey', 'pii', 'x', 16);
  await refused('INVALID_ARGUMENT', 'addRecipient');
  await refused('INVALID_ARGUMENT', 'addRecipient', 5);
  await refused('ALREADY_EXISTS', 'addRecipient', masterKey);
  await refused('NOT_FOUND', 'removeRecipient', 'none');
  await refused('IN_USE', 'removeRecipient', 'master-key-1');
  await refused('WRONG_MASTER_KEY', 'testRecipient', generateMasterKey());
  await refused('INVALID_ARGUMENT', 'exportKeyset', 'pii', {});
  await refused('INVALID_ARGUMENT', 'exportKeyset', 'pii');
  await refused('INVALID_ARGUMENT', 'exportKeyset', 'pii', { passphrase: 'p', insecureCleartext: true });
  await refused('PERMISSION_DENIED', 'exportKeyset', 'pii', { insecureCleartext: true });
  await refused('PERMISSION_DENIED', 'getDataKey', 'pii');
  await refused('INVALID_ARGUMENT', 'importKey', 'k', 'text');
  await refused('INVALID_ARGUMENT', 'importKey', 'k', Buffer.alloc(31, 'ab'));
  await refused('INVALID_ARGUMENT', 'backup', 'x', { onProgress: 5 });
  await refused('INVALID_ARGUMENT', 'quarantine', 'key', 'pii', 'because');
});

both('purposes, their keys and their salts', async ({ store, call }) => {
  assert.equal(PURPOSES.length, 6);
  const made = await call('registerPurpose', 'travel', { description: 'trips', rotationPeriod: '30d' });
  assert.deepEqual([made.purpose, made.description, made.rotationPeriod, made.builtIn], ['travel', 'trips', '30days', false]);
  assert.equal((await call('purposes')).length, 7);
  await call('createKey', 'trips', { purpose: 'travel', expiresIn: '10d', onLimit: 'refuse' });
  const key = await call('keyFor', 'travel');
  assert.equal(key, store.key('trips'));
  assert.deepEqual([key.info().expiresIn, key.info().onLimit], ['10days', 'refuse']);
  assert.equal(key.info().rotationDueAt - key.info().createdAt, 30 * 86_400_000);
  const old = key.blindIndex('rome', 'trips.to');
  assert.deepEqual((await call('rotateIndexSalt', 'travel')).version, 2);
  assert.deepEqual(key.blindIndexes('rome', 'trips.to')[1], old);
  assert.deepEqual((await call('indexSalts', { purpose: 'travel' })).map((salt) => [salt.version, salt.isCurrent]), [[2, true], [1, false]]);
  const salt = await call('getIndexSalt', 'travel', 1);
  assert.equal(salt.length, 32);
  assert.notDeepEqual(await call('getIndexSalt', 'travel'), salt);
  assert.equal(await call('retireIndexSalt', 'travel', 1), undefined);
  assert.equal(key.blindIndexes('rome', 'trips.to').length, 1);
  assert.equal((await call('indexSalts', { keyId: 'pii' })).length, 1);
});

both('many keys are made or none, and read in pages', async ({ store, call, twin }) => {
  const infos = await call('createKeys', Array.from({ length: 1100 }, (_, n) => ({ keyId: `k${n}`, labels: { n: `${n}` } })));
  assert.equal(infos.length, 1100);
  await assert.rejects(() => call('createKeys', [{ keyId: 'a' }, { keyId: 'b' }, { keyId: 'pii' }]), (error) => fails('ALREADY_EXISTS')(error) && error.index === 2);
  await assert.rejects(() => call('createKeys', [{ keyId: 'a' }, { keyId: 'b', kindd: 'mac' }]), (error) => fails('INVALID_ARGUMENT')(error) && error.index === 1);
  await assert.rejects(() => call('createKeys', [{ keyId: 'a' }, 5]), (error) => fails('INVALID_ARGUMENT')(error) && error.index === 1);
  assert.equal(store.listKeys({ search: 'a' }).length, 0);
  const ids = [];
  for await (const info of twin ? store.iterKeysAsync() : store.iterKeys()) ids.push(info.keyId);
  assert.deepEqual(ids, store.listKeys().map((info) => info.keyId));
  const some = [];
  for await (const info of twin ? store.iterKeysAsync({ limit: 1050, after: 'k' }) : store.iterKeys({ limit: 1050, after: 'k' })) some.push(info.keyId);
  assert.equal(some.length, 1050);
  assert.throws(() => store.iterKeys({ limitt: 3 }), fails('INVALID_ARGUMENT'));
});

both('recipients of every kind open the store', async ({ store, path, call, twin }) => {
  const opened = async (key) => {
    const other = twin ? await openAsync(path, { masterKey: key }) : open(path, { masterKey: key });
    other.key('pii');
    other.close();
  };
  const phrase = new Passphrase('correct horse', CHEAP);
  const info = await call('addRecipient', phrase, { id: 'phrase', description: 'in the safe' });
  assert.deepEqual([info.recipientId, info.kind, info.description, info.isMine], ['phrase', 'passphrase', 'in the safe', false]);
  assert.equal(info.parameters.kdf, 'argon2id');
  await opened(new Passphrase('correct horse'));
  await assert.rejects(() => opened(new Passphrase('wrong horse')), fails('WRONG_MASTER_KEY'));
  const recovery = RecoveryKey.generate();
  await call('addRecipient', recovery);
  await opened(new RecoveryKey(recovery.reveal().toLowerCase()));
  await opened(recovery.reveal());
  const shares = Shares.split(2, 3);
  await call('addRecipient', shares, { id: 'shares' });
  await opened(new Shares(shares.reveal().slice(1)));
  const drill = await call('drill', new Shares(shares.reveal().slice(0, 2)));
  assert.deepEqual([drill.recipient.recipientId, drill.check.ok], ['shares', true]);
  assert.equal((await call('testRecipient', recovery)).kind, 'recovery_key');
  // Several, one of them wrong, missing or failing.
  const missing = 'file:/nonexistent/key';
  await opened([generateMasterKey(), missing, () => { throw new Error('down'); }, masterKey]);
  await opened([generateMasterKey(), () => Buffer.from(masterKey, 'base64')]);
  await assert.rejects(() => opened([generateMasterKey(), missing]), fails('WRONG_MASTER_KEY', /none of 2/));
  for (const bad of [[], [null], [5], [[masterKey]], {}, new Date()]) await assert.rejects(() => opened(bad), fails('INVALID_ARGUMENT'));
  assert.equal((await call('rotateMasterKey')).kekVersion, 2);
  const gone = await call('removeRecipient', 'phrase');
  assert.equal(gone.recipients.includes('phrase'), false);
  await assert.rejects(() => opened(phrase), fails('WRONG_MASTER_KEY'));
  const next = generateMasterKey();
  await call('rotateMasterKey', next);
  await opened(next);
  await assert.rejects(() => opened(masterKey), fails('WRONG_MASTER_KEY'));
  assert.equal((await call('recipients')).filter((one) => one.isMine).length, 1);
});

test('promises and failing functions among several master keys', async (t) => {
  const { path } = newStore(t);
  const later = async () => Buffer.from(masterKey, 'base64');
  (await openAsync(path, { masterKey: [async () => { throw new Error('down'); }, later] })).close();
  assert.throws(() => open(path, { masterKey: [later] }), fails('INVALID_ARGUMENT', /openAsync/));
});

test('secrets are not shown, and refuse bad input', () => {
  assert.throws(() => new Passphrase(''), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Passphrase(5), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Passphrase('p', { memoryKib: 1024, passes: 1, lanes: 1 }), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Passphrase('p', { passes: 1 }), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Passphrase('p', { ...CHEAP, pbkdf2Rounds: 600_000 }), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Passphrase('p', { rounds: 1 }), fails('INVALID_ARGUMENT'));
  assert.throws(() => new RecoveryKey('kfr1-'), fails('INVALID_ARGUMENT'));
  assert.throws(() => new RecoveryKey(), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Shares(['kfs1-a']), fails('INVALID_ARGUMENT'));
  assert.throws(() => new Shares('kfs1-a'), fails('INVALID_ARGUMENT'));
  for (const [threshold, count] of [[1, 3], [3, 2], [2, 17], [2, 1e9], ['2', 3], [2]]) {
    assert.throws(() => Shares.split(threshold, count), fails('INVALID_ARGUMENT'));
  }
  const recovery = RecoveryKey.generate();
  assert.throws(() => new RecoveryKey(recovery.reveal()).reveal(), fails('INVALID_ARGUMENT', /typed in/));
  assert.throws(() => recovery.reveal.call({}), fails('INVALID_ARGUMENT'));
});

both('keys and keysets come in and go out', async ({ store, call }) => {
  const material = Buffer.from(Array.from({ length: 32 }, (_, n) => n));
  await call('importKey', 'in', material, { exportable: true });
  assert.deepEqual(await call('getDataKey', 'in'), material);
  assert.equal(await call('getEncryptionKey', 'in', 32, 'hex'), material.toString('hex'));
  assert.equal(await call('getEncryptionKey', 'in', 32, 'base64'), material.toString('base64'));
  assert.deepEqual(await call('getEncryptionKey', 'in', 32), material);
  await assert.rejects(() => call('getEncryptionKey', 'in', 16), fails('INVALID_ARGUMENT'));
  assert.equal((await call('importKey', 'in', material.toString('hex').replace(/^00/, 'ff'), { encoding: 'hex', asVersion: true })).currentVersion, 2);
  assert.deepEqual(await call('getDataKey', 'in', { version: 1 }), material);
  const sealed = store.key('in').encryptText('ada');
  for (const [place, [protection, format, kind]] of [
    [{ insecureCleartext: true }, 'json', 'string'],
    [{ insecureCleartext: true }, 'binary', 'object'],
    [{ passphrase: 'correct horse' }, 'json', 'string'],
    [{ key: 'pii' }, 'binary', 'object'],
  ].entries()) {
    const { keyset, losses } = await call('exportKeyset', 'in', { ...protection, format });
    assert.equal(typeof keyset, kind);
    assert.ok(Array.isArray(losses));
    await call('importKeyset', `back${place}`, keyset, { ...protection, description: 'back' });
    assert.equal(store.key(`back${place}`).decryptText(sealed), 'ada');
  }
  const { keyset } = await call('exportKeyset', 'in', { passphrase: 'correct horse' });
  await assert.rejects(() => call('importKeyset', 'no', keyset, { passphrase: 'wrong' }), fails('DECRYPTION_FAILED'));
  await call('createKey', 'derived', { kind: 'derive' });
  const derived = await call('deriveKey', 'derived', 'cookies', 48, { version: 1 });
  assert.equal(derived.length, 48);
  assert.deepEqual(await call('deriveKey', 'derived', 'cookies', 48), derived);
  assert.notEqual(derived.buffer.byteLength, material.buffer.byteLength);
});

both('a backup is restored', async ({ t, store, pii, path, call, twin }) => {
  const home = folder(t);
  const sealed = pii.encryptText('ada');
  const told = [];
  const info = await call('backup', join(home, 'app.bak'), { onProgress: (done, pages) => told.push([done, pages]) });
  assert.equal(info.check.ok, true);
  assert.match(info.anchor, /^kfa1\./);
  assert.ok(told.length >= 1 && told.at(-1)[0] === told.at(-1)[1], `${told}`);
  await assert.rejects(() => call('backup', join(home, 'app.bak')), fails('ALREADY_EXISTS'));
  await assert.rejects(() => call('backup', join(home, 'b'), { onProgress: () => { throw new RangeError('mine'); } }), RangeError);
  assert.ok(existsSync(join(home, 'b')));
  const run = (...given) => (twin ? restoreAsync(...given) : new Promise((resolve) => resolve(restore(...given))));
  const there = join(home, 'restored.keyfold');
  const done = await run(join(home, 'app.bak'), there, { masterKey, anchor: info.anchor });
  assert.deepEqual([done.replaced, done.rotated, done.fingerprint], [false, [], store.fingerprint()]);
  const restored = open(there, { masterKey });
  t.after(() => restored.close());
  assert.equal(restored.key('pii').decryptText(sealed), 'ada');
  assert.equal((await run(join(home, 'app.bak'), path, { masterKey })).replaced, true);
  assert.equal(store.key('pii').decryptText(sealed), 'ada');
  await assert.rejects(() => run(join(home, 'app.bak'), there, { masterKey: generateMasterKey() }), fails('WRONG_MASTER_KEY'));
  await assert.rejects(() => run(join(home, 'none'), there, { masterKey }), fails('NOT_FOUND'));
  await assert.rejects(() => run(join(home, 'app.bak'), there, { masterKey, forced: true }), fails('INVALID_ARGUMENT'));
  assert.deepEqual(await call('quarantined'), []);
});

test('modes, and what is for development', async (t) => {
  const { path, store } = newStore(t);
  assert.deepEqual([store.mode(), store.isVerified()], ['admin', true]);
  const metadata = open(path, { mode: 'metadata' });
  assert.deepEqual([metadata.mode(), metadata.isVerified(), metadata.listKeys().length], ['metadata', false, 1]);
  assert.throws(() => metadata.key('pii').encryptText('a'), fails('PERMISSION_DENIED'));
  metadata.close();
  const use = await openAsync(path, { masterKey, mode: 'use', requireMlock: false });
  use.key('pii').encryptText('a');
  assert.throws(() => use.rotateKey('pii'), fails('PERMISSION_DENIED'));
  use.close();
  assert.throws(() => open(path, { masterKey, mode: 'all' }), fails('INVALID_ARGUMENT'));
  const dev = join(folder(t), 'dev.keyfold');
  open(dev, { insecureDev: true, create: true }).close();
  open(dev, { insecureDev: true }).close();
  assert.throws(() => open(dev, { insecureDev: true, production: true }), fails('INVALID_ARGUMENT'));
  store.close();
  const still = open(path, { masterKey, immutable: true });
  assert.equal(still.listKeys().length, 1);
  assert.throws(() => still.rotateKey('pii'), fails('PERMISSION_DENIED'));
  still.close();
});

test('a method on something else says so', async (t) => {
  const { store, pii } = newStore(t);
  for (const prototype of [Store.prototype, Object.getPrototypeOf(pii)]) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (name === 'constructor') continue;
      const { value, get } = Object.getOwnPropertyDescriptor(prototype, name);
      const given = /iter/.test(name) ? [] : ['kf1.AQ', Buffer.alloc(9), 'field', {}];
      for (const foreign of [undefined, null, {}, 5, Object.create(prototype)]) {
        await assert.rejects(async () => (value ?? get).call(foreign, ...given), fails('INVALID_ARGUMENT'), name);
      }
    }
  }
  assert.equal(store.key('pii'), pii);
});

test('what cannot leave its thread says so', (t) => {
  const { store, pii } = newStore(t);
  const recovery = RecoveryKey.generate();
  for (const kept of [store, pii, recovery, [pii], { store }]) {
    assert.throws(() => structuredClone(kept), fails('INVALID_ARGUMENT', /thread/));
    assert.throws(() => new Worker('', { eval: true, workerData: kept }), fails('INVALID_ARGUMENT', /thread/));
  }
  const types = readFileSync(join(packageFolder, 'index.d.ts'), 'utf8');
  for (const prototype of [Store.prototype, Object.getPrototypeOf(pii)]) {
    for (const name of Object.getOwnPropertyNames(prototype)) assert.match(types, new RegExp(`\\b${name}\\b`), name);
  }
});
